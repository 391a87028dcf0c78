package e2e

import (
	"encoding/json"
	"io"
	"net/http"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/httpstream"
	"k8s.io/apimachinery/pkg/util/httpstream/spdy"
	"k8s.io/apimachinery/pkg/util/httpstream/wsstream"
	"k8s.io/apimachinery/pkg/util/remotecommand"
)

// echoCommand writes stdin to stdout and ends with exit code 3.
func echoCommand(stdin io.Reader, stdout, stderr, status io.WriteCloser) {
	io.Copy(stdout, stdin)
	io.WriteString(stderr, "a warning")
	stdout.Close()
	stderr.Close()
	json.NewEncoder(status).Encode(metav1.Status{
		Status: metav1.StatusFailure, Reason: remotecommand.NonZeroExitCodeReason,
		Details: &metav1.StatusDetails{Causes: []metav1.StatusCause{{Type: remotecommand.ExitCodeCauseType, Message: "3"}}},
	})
	status.Close()
}

// execSPDY is a kubelet's exec over SPDY.
func execSPDY(w http.ResponseWriter, req *http.Request) {
	if _, err := httpstream.Handshake(req, w, []string{remotecommand.StreamProtocolV4Name}); err != nil {
		return
	}
	streams := make(chan httpstream.Stream)
	conn := spdy.NewResponseUpgrader().UpgradeResponse(w, req, func(s httpstream.Stream, replySent <-chan struct{}) error {
		go func() {
			<-replySent
			streams <- s
		}()
		return nil
	})
	if conn == nil {
		return
	}
	defer conn.Close()
	byType := map[string]httpstream.Stream{}
	for len(byType) < 4 {
		select {
		case s := <-streams:
			byType[s.Headers().Get("streamType")] = s
		case <-conn.CloseChan():
			return
		}
	}
	echoCommand(byType["stdin"], byType["stdout"], byType["stderr"], byType["error"])
	<-conn.CloseChan()
}

// execWebSocket is a kubelet's exec over a WebSocket.
func execWebSocket(w http.ResponseWriter, req *http.Request) {
	conn := wsstream.NewConn(map[string]wsstream.ChannelProtocolConfig{
		remotecommand.StreamProtocolV5Name: {Binary: true, Channels: []wsstream.ChannelType{
			wsstream.ReadChannel, wsstream.WriteChannel, wsstream.WriteChannel, wsstream.WriteChannel, wsstream.IgnoreChannel,
		}},
	})
	_, streams, err := conn.Open(w, req)
	if err != nil {
		return
	}
	defer conn.Close()
	echoCommand(streams[0], streams[1], streams[2], streams[3])
}
