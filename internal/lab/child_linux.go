// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/mnet-dev/mnet/internal/lab/kernel"
	"github.com/mnet-dev/mnet/internal/node/control"
)

// startTimeout bounds the wait for a node to answer, which takes a fraction of a
// second on an idle machine.
const startTimeout = 20 * time.Second

// askAgain is how often a node that starts is asked.
const askAgain = 20 * time.Millisecond

// child is a node as a child process.
type child struct {
	name    string
	proc    *kernel.Process
	control control.Client
	log     *tail
}

// startNode starts a node in a namespace and waits until it answers. Its socket in
// dir has the name of the namespace.
func (l *Lab) startNode(ctx context.Context, ns *kernel.Namespace, dir string, args ...string) (*child, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &child{name: ns.Name(), log: &tail{}}
	c.control.Path = filepath.Join(dir, c.name+".sock")
	cmd := exec.Command(exe, append([]string{"up", "--socket", c.control.Path}, args...)...)
	cmd.Stderr = c.log
	l.jan.Await(cmd) // it makes a socket in the directory
	if c.proc, err = ns.Start(cmd); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, fmt.Errorf("node %s does not answer after %v: %s", c.name, startTimeout, c.log))
	defer cancel()
	retry := time.NewTicker(askAgain)
	defer retry.Stop()
	for {
		if _, err := c.control.Status(ctx); err == nil {
			return c, nil
		}
		select {
		case <-retry.C:
		case <-c.proc.Done():
			return nil, c.exited()
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

func (c *child) node() Node { return Node{c.name, c.proc.Pid(), c.control.Path} }

// exited is the error of a node that has ended.
func (c *child) exited() error {
	return fmt.Errorf("node %s has ended: %s", c.name, c.log)
}

// maxTail is how much of a node's log is kept, in bytes: the end has the reason.
const maxTail = 2 << 10

// tail keeps the last bytes that are written to it.
type tail struct {
	mu   sync.Mutex
	text []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	t.text = t.text[max(0, len(t.text)-maxTail):]
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.text))
}
