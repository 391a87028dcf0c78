package redact

import "testing"

// A boolean is no secret, also where another pair follows in the same parameter.
func TestPolicyBooleansInLists(t *testing.T) {
	checkURLs(t,
		row{in: "https://h/api?labelSelector=auth=true"}, row{in: "https://h/api?labelSelector=auth=true,app=x&limit=500"},
		row{in: "https://h/api?labelSelector=auth%3Dtrue%2Capp%3Dx&limit=500"}, row{in: "https://h/api?labelSelector=app%3Dx%2Cauth%3Dfalse"},
		row{in: "https://h/api?labelSelector=auth==true,app=x"}, row{in: "https://h/api?labelSelector=auth%3D%3Dtrue"}, row{in: "https://h/api?labelSelector=auth%3D%3Dtrue%2C%21x"},
		row{in: "https://h/api?labelSelector=auth!=true,x"}, row{in: "https://h/api?fields=token=True;a=b"}, row{in: "https://h/api?auth=true,x"},
		row{in: "https://h/api?q=auth=true|app=x"},
		row{"https://h/api?labelSelector=auth=true,token=x&a=b", "https://h/api?labelSelector=auth=true,token=REDACTED&a=b"},
		row{"https://h/api?labelSelector=auth%3Dtrue%2Ctoken%3Dx", "https://h/api?labelSelector=auth%3Dtrue%2Ctoken%3DREDACTED"},
		row{"https://h/api?s=auth=true,sig=x", "https://h/api?s=auth=true,sig=REDACTED"}, row{"https://h/api?s=auth%3Dtrue%2Csig%3Dx", "https://h/api?s=auth%3Dtrue%2Csig%3DREDACTED"},
		row{"https://h/api?auth=true,password=x", "https://h/api?auth=true,password=REDACTED"}, row{"https://h/a;auth=true;token=x/d", "https://h/a;auth=true;token=REDACTED/d"},
		row{"https://h/api?password=truelove", "https://h/api?password=REDACTED"}, row{"https://h/api?password=true-love,x=y", "https://h/api?password=REDACTED"},
		row{"https://h/api?password=,true", "https://h/api?password=REDACTED"}, row{"https://h/api?password==x", "https://h/api?password=REDACTED"},
	)
	checkTexts(t, row{in: "GET api?labelSelector=auth=true,app=x"}, row{in: "GET https://h/api?labelSelector=auth==true,app=x: EOF"})
}
