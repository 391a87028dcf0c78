package e2e

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/client"
)

// TestDocker: users depend on a unix socket, on logs that are followed, on build contexts of unknown length, on
// attached commands, for which the client dials and hijacks a connection of its own, past its transport, and on
// errors by which the client recognizes a missing daemon. The client puts otelhttp around the Transport.
func TestDocker(t *testing.T) {
	docker := func(r *clientRun) *client.Client {
		socket := r.srv.Listener.Addr().String()
		base := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		}}
		r.t.Cleanup(base.CloseIdleConnections)
		c, err := client.New(client.WithHost("unix://"+socket), client.WithHTTPClient(&http.Client{Transport: r.wrap(base)}))
		if err != nil {
			r.t.Fatal(err)
		}
		return c
	}
	const host = "http://SOCKET" // the client puts the socket's path in the place of the host
	ping, api := "HEAD "+host+"/_ping 200", host+"/v1.51"
	tests := []clientTest{
		{name: "list", use: func(r *clientRun) {
			c := docker(r)
			list, err := c.ContainerList(r.ctx, client.ContainerListOptions{All: true})
			r.saw("%d containers, version %s, error %v", len(list.Items), c.ClientVersion(), err)
			_, err = c.ContainerInspect(r.ctx, "missing", client.ContainerInspectOptions{})
			r.saw("not found %t: %v", cerrdefs.IsNotFound(err), err)
		}, want: []string{"1 containers, version 1.51, error <nil>", "not found true: Error response from daemon: No such container: missing"},
			wantSpans: []string{ping, "GET " + api + "/containers/json?all=1 200", "GET " + api + "/containers/missing/json 404 error 404"}},
		{name: "followed logs", use: func(r *clientRun) {
			logs, err := docker(r).ContainerLogs(r.ctx, "web", client.ContainerLogsOptions{ShowStdout: true, Follow: true})
			if err != nil {
				r.failed(err)
				return
			}
			line := make([]byte, 8+len(download))
			_, err = io.ReadFull(logs, line)
			r.saw("%q, error %v", line[8:], err)
			if r.rec != nil {
				r.rec.checkOpen(r.t, "while the logs are followed", 1)
			}
			r.saw("close %v", logs.Close())
		}, want: []string{`"what the server has", error <nil>`, "close <nil>"},
			wantSpans: []string{ping, "GET " + api + "/containers/web/logs?follow=1&stdout=1 200"}},
		{name: "build", use: func(r *clientRun) {
			result, err := docker(r).ImageBuild(r.ctx, io.MultiReader(strings.NewReader(upload)), client.ImageBuildOptions{Tags: []string{"web"}})
			if err != nil {
				r.failed(err)
				return
			}
			progress, err := io.ReadAll(result.Body)
			r.saw("%s, error %v, close %v", progress, err, result.Body.Close())
		}, want: []string{"built, error <nil>, close <nil>"}, wantSpans: []string{ping, "POST " + api + "/build?rm=0&t=web 200"}},
		{name: "attached command", wantUntraced: 1, use: func(r *clientRun) {
			c := docker(r)
			created, err := c.ExecCreate(r.ctx, "web", client.ExecCreateOptions{AttachStdin: true, AttachStdout: true, Cmd: []string{"cat"}})
			if err != nil {
				r.failed(err)
				return
			}
			attached, err := c.ExecAttach(r.ctx, created.ID, client.ExecAttachOptions{})
			if err != nil {
				r.failed(err)
				return
			}
			defer attached.Close()
			io.WriteString(attached.Conn, strings.Repeat(upload, 1000))
			r.saw("close of stdin %v", attached.CloseWrite())
			var out, problems strings.Builder
			_, err = stdcopy.StdCopy(&out, &problems, attached.Reader)
			r.saw("whole %t, stderr %q, error %v", out.String() == strings.Repeat(upload, 1000), problems.String(), err)
		}, want: []string{"close of stdin <nil>", `whole true, stderr "a warning", error <nil>`},
			wantSpans: []string{ping, "POST " + api + "/containers/web/exec 201"}},
		{name: "no daemon", wantUnsent: 3, use: func(r *clientRun) {
			c := docker(r)
			r.srv.Listener.Close()
			_, err := c.ContainerList(r.ctx, client.ContainerListOptions{})
			r.saw("connection failed %t, missing socket %t", client.IsErrConnectionFailed(err), errors.Is(err, os.ErrNotExist))
			text, _, _ := strings.Cut(err.Error(), ";") // the client's text for a missing daemon
			r.saw("%s", text)
		}, want: []string{"connection failed true, missing socket true", "failed to connect to the docker API at unix://SOCKET"},
			wantSpans: []string{"HEAD " + host + "/_ping error connection_error", "GET " + host + "/_ping error connection_error",
				"GET " + host + "/v1.56/containers/json error connection_error"}},
	}
	for i := range tests {
		tests[i].serve = failFirst(0, nil, daemon)
		tests[i].start = startUnix
	}
	runClientTests(t, tests)
}

// daemon answers as Docker does.
func daemon(w http.ResponseWriter, req *http.Request) {
	w.Header().Set("Api-Version", "1.51")
	w.Header().Set("Content-Type", "application/json")
	switch path := strings.TrimPrefix(req.URL.Path, "/v1.51"); path {
	case "/containers/json":
		io.WriteString(w, `[{"Id": "1"}]`)
	case "/containers/web/logs":
		w.Write(frame(stdcopy.Stdout, download))
		w.(http.Flusher).Flush()
		<-req.Context().Done()
	case "/build":
		io.WriteString(w, "built")
	case "/containers/web/exec":
		w.WriteHeader(http.StatusCreated)
		io.WriteString(w, `{"Id": "7"}`)
	case "/exec/7/start":
		conn, rw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		io.WriteString(conn, "HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.multiplexed-stream\r\n"+
			"Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
		stdin, _ := io.ReadAll(rw)
		conn.Write(append(frame(stdcopy.Stdout, string(stdin)), frame(stdcopy.Stderr, "a warning")...))
	case "/containers/missing/json":
		w.WriteHeader(http.StatusNotFound)
		io.WriteString(w, `{"message": "No such container: missing"}`)
	}
}

// frame is a piece of output with the header that stdcopy reads.
func frame(stream stdcopy.StdType, text string) []byte {
	header := binary.BigEndian.AppendUint32([]byte{byte(stream), 0, 0, 0}, uint32(len(text)))
	return append(header, text...)
}

// startUnix serves h on a unix socket.
func startUnix(t *testing.T, h http.Handler) *httptest.Server {
	dir, err := os.MkdirTemp("", "e2e") // t.TempDir may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	srv := httptest.NewUnstartedServer(h)
	srv.Listener.Close()
	if srv.Listener, err = net.Listen("unix", filepath.Join(dir, "docker.sock")); err != nil {
		t.Fatal(err)
	}
	srv.Start()
	closeLater(t, srv)
	return srv
}
