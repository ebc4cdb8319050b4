// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// stopGrace is the time that a child process has from SIGTERM to SIGKILL.
	stopGrace = 2 * time.Second
	// pipeGrace bounds the wait for the output of a dead child: a descendant that
	// is in a session of its own may hold the pipe.
	pipeGrace = time.Second
)

// Process is a child process in a namespace.
type Process struct {
	cmd  *exec.Cmd
	done chan struct{}
	err  error // of cmd.Wait, once done
}

// Start starts the command in the namespace, as the leader of a process group of its
// own. The kernel kills it when the process of the network ends. When the command ends,
// the rest of its group is killed.
//
// Start keeps the settings of cmd.SysProcAttr and adds to them. Do not call cmd.Wait:
// the network does.
func (ns *Namespace) Start(cmd *exec.Cmd) (*Process, error) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = !cmd.SysProcAttr.Setsid // which makes a group, too
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	if cmd.WaitDelay == 0 {
		cmd.WaitDelay = pipeGrace
	}
	p := &Process{cmd: cmd, done: make(chan struct{})}
	err := ns.Do(func() error {
		ns.mu.Lock()
		defer ns.mu.Unlock()
		if ns.closed {
			return ns.wrap(ErrClosed)
		}
		// Pdeathsig is about the thread that starts the child.
		if err := cmd.Start(); err != nil {
			return ns.wrap(err)
		}
		ns.children[p] = struct{}{}
		return nil
	})
	if err != nil {
		return nil, err
	}
	go ns.reap(p)
	return p, nil
}

// reap waits for the child. Until cmd.Wait has taken its exit status, the number of
// the process and of its group cannot be given to another.
func (ns *Namespace) reap(p *Process) {
	pid := p.cmd.Process.Pid
	for unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
	}
	unix.Kill(-pid, unix.SIGKILL)
	p.err = p.cmd.Wait()
	ns.mu.Lock()
	delete(ns.children, p)
	ns.mu.Unlock()
	close(p.done)
}

// Pid is the number of the process.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Signal sends a signal to the process. The error is os.ErrProcessDone once it has
// ended.
func (p *Process) Signal(sig os.Signal) error { return p.cmd.Process.Signal(sig) }

// Done is closed when the process has ended and all of its output is read.
func (p *Process) Done() <-chan struct{} { return p.done }

// Wait waits until the process has ended, or until the context is over. It returns the
// error of cmd.Wait or of the context.
func (p *Process) Wait(ctx context.Context) error {
	select {
	case <-p.done:
		return p.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Stop ends the process: by SIGTERM, or by SIGKILL if it is still there 2 s later.
// It returns when the process is gone.
func (p *Process) Stop() {
	p.Signal(unix.SIGTERM)
	select {
	case <-p.done:
		return
	case <-time.After(stopGrace):
	}
	p.Signal(unix.SIGKILL)
	<-p.done
}

// killAll stops all children and lets none start. Then it kills the processes that
// these left in the namespace.
func (ns *Namespace) killAll() {
	ns.mu.Lock()
	ns.closed = true
	children := make([]*Process, 0, len(ns.children))
	for p := range ns.children {
		children = append(children, p)
	}
	ns.mu.Unlock()
	stopped := make(chan struct{})
	for _, p := range children {
		go func() { p.Stop(); stopped <- struct{}{} }()
	}
	for range children {
		<-stopped
	}
	ns.killStrays()
}

// killStrays kills the processes in the namespace: a child's descendants that are in
// another process group.
func (ns *Namespace) killStrays() {
	var own unix.Stat_t
	if unix.Fstat(ns.fd, &own) != nil {
		return
	}
	paths, _ := filepath.Glob("/proc/[0-9]*/ns/net")
	for _, path := range paths {
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
		if err != nil || pid == os.Getpid() {
			continue
		}
		// The descriptor keeps the number from meaning another process.
		pidfd, err := unix.PidfdOpen(pid, 0)
		if err != nil {
			continue
		}
		var st unix.Stat_t
		if unix.Stat(path, &st) == nil && st.Dev == own.Dev && st.Ino == own.Ino {
			unix.PidfdSendSignal(pidfd, unix.SIGKILL, nil, 0)
			awaitDeath(pidfd)
		}
		unix.Close(pidfd)
	}
}

// awaitDeath waits until a killed process, which is not a child, is gone.
func awaitDeath(pidfd int) {
	fds := []unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}
	for {
		_, err := unix.Poll(fds, int(stopGrace.Milliseconds()))
		if !errors.Is(err, unix.EINTR) {
			return
		}
	}
}
