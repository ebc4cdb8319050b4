// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/mnet-dev/mnet/internal/lab/kernel"
)

// randomFile makes a file of n random bytes, and returns its path and hash.
func (w *world) randomFile(name string, n int64, seed byte) (path, sum string) {
	w.t.Helper()
	path = filepath.Join(w.dir, name)
	f, err := os.Create(path)
	w.must(err)
	h := sha256.New()
	random := rand.NewChaCha8([32]byte{seed})
	_, err = io.Copy(io.MultiWriter(f, h), io.LimitReader(random, n))
	w.must(err)
	w.must(f.Close())
	return path, hex.EncodeToString(h.Sum(nil))
}

// fileSum is the hash of a file.
func (w *world) fileSum(path string) string {
	w.t.Helper()
	f, err := os.Open(path)
	w.must(err)
	defer f.Close()
	h := sha256.New()
	_, err = io.Copy(h, f)
	w.must(err)
	return hex.EncodeToString(h.Sum(nil))
}

// sshd is an OpenSSH server on 127.0.0.1:2222 of a namespace, and the options of its
// clients.
type sshd struct {
	*process
	options []string
}

const sshdAddr = "127.0.0.1:2222"

func (w *world) sshd(ns *kernel.Namespace, client *peer) *sshd {
	w.t.Helper()
	need(w.t, "sshd", "ssh", "scp", "ssh-keygen")
	path, err := exec.LookPath("sshd") // it insists on an absolute path
	w.must(err)
	w.must(os.MkdirAll("/run/sshd", 0o755)) // of the package; a service would make it
	for _, key := range []string{"host", "user"} {
		out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(w.dir, key)).CombinedOutput()
		if err != nil {
			w.t.Fatalf("ssh-keygen: %v: %s", err, out)
		}
	}
	pub, err := os.ReadFile(filepath.Join(w.dir, "host.pub"))
	w.must(err)
	known := filepath.Join(w.dir, "known_hosts")
	w.must(os.WriteFile(known, []byte("server "+string(pub)), 0o600))
	d := &sshd{options: []string{
		"-F", "none", "-i", filepath.Join(w.dir, "user"),
		"-o", "UserKnownHostsFile=" + known, "-o", "HostKeyAlias=server", "-o", "BatchMode=yes", "-o", "LogLevel=ERROR",
		"-o", fmt.Sprintf("ProxyCommand=%s nc --socket %s --require %v 22", mnetBin, client.socket, kernel.ServerAddr4),
	}}
	d.process = w.start(ns, exec.Command(path, "-D", "-e", "-f", "/dev/null",
		"-o", "ListenAddress="+sshdAddr, "-o", "HostKey="+filepath.Join(w.dir, "host"),
		"-o", "AuthorizedKeysFile="+filepath.Join(w.dir, "user.pub"), "-o", "StrictModes=no",
		"-o", "PermitRootLogin=yes", "-o", "UsePAM=no", "-o", "PidFile=none", "-o", "Subsystem=sftp internal-sftp"))
	w.listening(ns, sshdAddr)
	return d
}

// listening waits until somebody listens.
func (w *world) listening(ns *kernel.Namespace, addr string) {
	w.t.Helper()
	w.eventually("listening: "+addr, patience, func() error {
		c, err := ns.Dial(w.ctx, "tcp", addr)
		if err == nil {
			c.Close()
		}
		return err
	})
}

// shell is an ssh session whose remote side is cat, which sends back each line.
type shell struct {
	w     *world
	proc  *process
	in    io.WriteCloser
	lines *bufio.Scanner
	pid   string // of the remote shell
	n     int
}

func (w *world) shell(d *sshd) *shell {
	w.t.Helper()
	cmd := exec.Command("ssh", append(d.options, "server", "echo $$; exec cat")...)
	in, inW, err := os.Pipe()
	w.must(err)
	outR, out, err := os.Pipe()
	w.must(err)
	cmd.Stdin, cmd.Stdout = in, out
	s := &shell{w: w, proc: w.start(w.Client, cmd), in: inW, lines: bufio.NewScanner(outR)}
	in.Close()
	out.Close()
	w.t.Cleanup(func() { inW.Close(); outR.Close() })
	s.pid = s.read()
	return s
}

func (s *shell) read() string {
	s.w.t.Helper()
	line := make(chan string, 1)
	go func() {
		if s.lines.Scan() {
			line <- s.lines.Text()
		}
		close(line)
	}()
	select {
	case l, ok := <-line:
		if !ok {
			s.w.t.Fatalf("ssh has ended: %v: %s", s.lines.Err(), s.proc.err)
		}
		return l
	case <-time.After(patience):
		s.w.t.Fatal("ssh says nothing")
		return ""
	}
}

// check writes a line and expects it to come back.
func (s *shell) check() {
	s.w.t.Helper()
	s.n++
	want := fmt.Sprintf("line %d", s.n)
	if _, err := io.WriteString(s.in, want+"\n"); err != nil {
		s.w.t.Fatal(err)
	}
	if got := s.read(); got != want {
		s.w.t.Fatalf("ssh: %q comes back as %q", want, got)
	}
}

// end ends the session as a person would.
func (s *shell) end() {
	s.w.t.Helper()
	s.in.Close()
	if err := s.proc.Wait(s.w.timeout(patience)); err != nil {
		s.w.t.Errorf("ssh: %v: %s", err, s.proc.err)
	}
}

// transfer is a program that copies a file.
type transfer struct {
	w    *world
	name string
	proc *process
	to   string // where the file comes to be
	sum  string // its hash
}

// running fails the test if the transfer has ended: later events would show nothing.
func (x *transfer) running() {
	x.w.t.Helper()
	select {
	case <-x.proc.Done():
		x.w.t.Fatalf("%s: ended already: %v %s", x.name, x.proc.Wait(x.w.ctx), x.proc.err)
	default:
	}
}

// finish waits for the end and compares the hash.
func (x *transfer) finish() {
	x.w.t.Helper()
	if err := x.proc.Wait(x.w.timeout(2 * patience)); err != nil {
		x.w.t.Errorf("%s: %v: %s", x.name, err, x.proc.err)
		return
	}
	if got := x.w.fileSum(x.to); got != x.sum {
		x.w.t.Errorf("%s: hash %s, want %s", x.name, got, x.sum)
	}
}

// scp uploads or downloads a file of size bytes in about size/rate seconds.
func (w *world) scp(d *sshd, upload bool, size, rate int64) *transfer {
	w.t.Helper()
	name := "scp-down"
	if upload {
		name = "scp-up"
	}
	from, sum := w.randomFile(name, size, byte(len(name)))
	to := from + ".copy"
	args := append(d.options, "-l", fmt.Sprint(rate*8/1000)) // kbit/s
	if upload {
		args = append(args, from, "server:"+to)
	} else {
		args = append(args, "server:"+from, to)
	}
	return &transfer{w, name, w.start(w.Client, exec.Command("scp", args...)), to, sum}
}

// httpServer serves the files of the test on an address of a namespace.
func (w *world) httpServer(ns *kernel.Namespace, addr string) {
	w.t.Helper()
	l, err := ns.Listen(w.ctx, "tcp", addr)
	w.must(err)
	srv := &http.Server{Handler: http.FileServer(http.Dir(w.dir))}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	w.t.Cleanup(func() {
		srv.Close()
		<-served
	})
}

// curl downloads a file from url's directory in about size/rate seconds.
func (w *world) curl(name string, args []string, url string, size, rate int64) *transfer {
	w.t.Helper()
	need(w.t, "curl")
	from, sum := w.randomFile(name, size, byte(len(name)))
	to := from + ".copy"
	args = append(args, "--silent", "--show-error", "--fail", "--limit-rate", fmt.Sprint(rate),
		"--output", to, url+"/"+filepath.Base(from))
	return &transfer{w, name, w.start(w.Client, exec.Command("curl", args...)), to, sum}
}

// service starts mnet serve, forward or socks and returns the address that it tells.
func (w *world) service(p *peer, args ...string) string {
	w.t.Helper()
	proc := w.start(p.ns, p.command(args...))
	var addr string
	w.eventually(strings.Join(args, " "), patience, func() error {
		line, _, ok := strings.Cut(proc.out.String(), "\n")
		if !ok {
			return fmt.Errorf("no answer: %s", proc.err)
		}
		addr, _, _ = strings.Cut(line, " ")
		_, _, err := net.SplitHostPort(addr)
		return err
	})
	return addr
}
