package dashboards

import (
	"bytes"
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"
)

// patience bounds each wait. It is long enough for a busy machine.
const patience = 2 * time.Minute

// server is a running Prometheus.
type server struct {
	url string
	log *lockedBuffer
}

// binary returns the path of a program of Prometheus, and skips the test if there is none.
func binary(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("no %s: install Prometheus (Debian: apt-get install prometheus)", name)
	}
	return path
}

// startPrometheus starts a Prometheus with a configuration and scaled rules. It stops at the end of the test.
func startPrometheus(t *testing.T, config string) *server {
	t.Helper()
	path := binary(t, "prometheus")
	dir := t.TempDir()
	write(t, filepath.Join(dir, "rules.yml"), scaledRules(t))
	write(t, filepath.Join(dir, "prometheus.yml"), "global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 500ms}\n"+config)
	// Another process may take the free port before Prometheus listens, so try several.
	for range 5 {
		if s := runPrometheus(t, path, dir); s != nil {
			return s
		}
	}
	t.Fatal("Prometheus did not start")
	return nil
}

func runPrometheus(t *testing.T, path, dir string) *server {
	t.Helper()
	address := freePort(t)
	s := &server{url: "http://" + address, log: &lockedBuffer{}}
	cmd := exec.Command(path,
		"--config.file="+filepath.Join(dir, "prometheus.yml"),
		"--storage.tsdb.path="+filepath.Join(dir, "data-"+port(tcpAddress(address))),
		"--web.listen-address="+address,
		"--enable-feature=exemplar-storage")
	cmd.Stdout, cmd.Stderr = s.log, s.log
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v: %v", cmd, err)
	}
	exited := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(exited)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		select {
		case <-exited:
		case <-time.After(patience):
			_ = cmd.Process.Kill()
			t.Errorf("Prometheus did not stop within %v", patience)
		}
		if t.Failed() {
			t.Logf("Prometheus's log:\n%s", s.log)
		}
	})
	deadline := time.After(patience)
	for {
		resp, err := http.Get(s.url + "/-/ready")
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return s
			}
		}
		select {
		case <-exited:
			t.Logf("Prometheus exited:\n%s", s.log)
			return nil
		case <-deadline:
			t.Fatalf("Prometheus is not ready after %v:\n%s", patience, s.log)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

type tcpAddress string

func (tcpAddress) Network() string  { return "tcp" }
func (a tcpAddress) String() string { return string(a) }

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// point is a value at a time.
type point struct{ time, value float64 }

func (p *point) UnmarshalJSON(data []byte) error {
	var value string
	if err := json.Unmarshal(data, &[]any{&p.time, &value}); err != nil {
		return err
	}
	var err error
	p.value, err = strconv.ParseFloat(value, 64)
	return err
}

type series struct {
	Metric map[string]string
	Value  point   // of an instant query
	Values []point // of a range query
}

// query returns the result of a query at a time.
func (s *server) query(t *testing.T, query string, at time.Time) []series {
	t.Helper()
	var data struct{ Result []series }
	s.get(t, "query", url.Values{"query": {query}, "time": {seconds(at)}}, &data)
	return data.Result
}

// queryRange returns the result of a query at each step.
func (s *server) queryRange(t *testing.T, query string, start, end time.Time, step time.Duration) []series {
	t.Helper()
	var data struct{ Result []series }
	s.get(t, "query_range", url.Values{
		"query": {query}, "start": {seconds(start)}, "end": {seconds(end)},
		"step": {strconv.FormatFloat(step.Seconds(), 'f', -1, 64)},
	}, &data)
	return data.Result
}

// exemplars are those of one series.
type exemplars struct {
	SeriesLabels map[string]string
	Exemplars    []exemplar
}

type exemplar struct {
	Labels    map[string]string
	Value     float64 `json:",string"`
	Timestamp float64
}

func (s *server) exemplars(t *testing.T, query string, start, end time.Time) []exemplars {
	t.Helper()
	var data []exemplars
	s.get(t, "query_exemplars", url.Values{"query": {query}, "start": {seconds(start)}, "end": {seconds(end)}}, &data)
	return data
}

// get decodes the data of an answer of the API.
func (s *server) get(t *testing.T, path string, values url.Values, data any) {
	t.Helper()
	resp, err := http.Get(s.url + "/api/v1/" + path + "?" + values.Encode())
	if err != nil {
		t.Fatalf("%s: %v\n%s", path, err, s.log)
	}
	defer resp.Body.Close()
	answer := struct {
		Status, Error string
		Data          any
	}{Data: data}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		t.Fatalf("%s %v: %v", path, values, err)
	}
	if answer.Status != "success" {
		t.Fatalf("%s %v: %s", path, values, answer.Error)
	}
}

func seconds(t time.Time) string {
	return strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', 3, 64)
}

// eventually calls f until it returns "", and fails the test with its last result.
func eventually(t *testing.T, what string, f func() string) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		missing := f()
		if missing == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: after %v still missing: %s", what, patience, missing)
		}
		time.Sleep(250 * time.Millisecond) // Prometheus reports no change of state
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
