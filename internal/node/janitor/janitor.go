// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

// Package janitor undoes the changes of a process to the host, also when the process is
// killed. A child process reads each change from a pipe before it is made. The kernel
// closes the pipe when the parent ends in any way. Then the child undoes the changes
// that are still there, the last one first.
//
// Devices, routes and nftables tables need no janitor: they go with the descriptors
// that hold them.
package janitor

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"

	"github.com/mnet-dev/mnet/netstack/hostnet"
)

// task is something to undo. One field is set.
type task struct {
	Remove    string           `json:"remove,omitempty"`     // a socket
	RemoveDir string           `json:"remove_dir,omitempty"` // a directory of sockets
	Setting   *hostnet.Setting `json:"setting,omitempty"`
}

// Janitor is the parent's side. Its methods may be called concurrently.
type Janitor struct {
	cmd *exec.Cmd

	mu   sync.Mutex
	pipe *os.File
	enc  *json.Encoder
}

// Start starts the child: this program with args, which has to call [Run]. It has
// the network namespace of the calling thread.
func Start(args ...string) (*Janitor, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("janitor: %w", err)
	}
	cmd := exec.Command(exe, args...)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = ownSession()
	r, pipe, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("janitor: %w", err)
	}
	defer r.Close()
	cmd.Stdin = r
	if err := cmd.Start(); err != nil {
		pipe.Close()
		return nil, fmt.Errorf("janitor: %w", err)
	}
	return &Janitor{cmd: cmd, pipe: pipe, enc: json.NewEncoder(pipe)}, nil
}

// Remove has a socket removed at the end.
func (j *Janitor) Remove(path string) error { return j.do(task{Remove: path}) }

// RemoveDir has a directory removed at the end, with the sockets in it. If there is
// anything else in it, or if it is not the user's alone, it stays.
func (j *Janitor) RemoveDir(path string) error { return j.do(task{RemoveDir: path}) }

// Await delays undoing until the process that cmd is about to start has ended, and its
// children have. They may use the things that would be undone. This holds when this
// process ends in any way.
func (j *Janitor) Await(cmd *exec.Cmd) { cmd.ExtraFiles = append(cmd.ExtraFiles, j.pipe) }

// Restore has a setting put back at the end, unless it has been changed since.
func (j *Janitor) Restore(s hostnet.Setting) error { return j.do(task{Setting: &s}) }

func (j *Janitor) do(t task) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.enc.Encode(t); err != nil {
		return fmt.Errorf("janitor: %w", err)
	}
	return nil
}

// Close has all remaining changes undone, and waits for it. The processes of Await have
// to end by themselves.
func (j *Janitor) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	err := j.pipe.Close()
	if werr := j.cmd.Wait(); werr != nil {
		err = errors.Join(err, fmt.Errorf("janitor: %w", werr))
	}
	return err
}

// Run is the child: it reads tasks from r until that ends, and undoes them.
func Run(r io.Reader) error {
	var tasks []task
	var errs []error
	dec := json.NewDecoder(r)
	for {
		var t task
		err := dec.Decode(&t)
		if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
			break // half a task: the parent has not come to do it
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("janitor: %w", err))
			break
		}
		tasks = append(tasks, t)
	}
	for i := len(tasks) - 1; i >= 0; i-- {
		errs = append(errs, tasks[i].undo())
	}
	return errors.Join(errs...)
}

func (t task) undo() error {
	switch {
	case t.Setting != nil:
		return t.Setting.Restore()
	case t.RemoveDir != "":
		return removeDir(t.RemoveDir)
	default:
		return removeSocket(t.Remove)
	}
}
