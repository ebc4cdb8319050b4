// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

// Package git runs git in a repository, untouched by the user's configuration.
package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// Repo is a repository with a working tree.
type Repo struct{ Dir string }

// author signs the commits of this program. They never leave the repository, and have
// no address.
var author = []string{
	"GIT_AUTHOR_NAME=gvpatch", "GIT_AUTHOR_EMAIL=",
	"GIT_COMMITTER_NAME=gvpatch", "GIT_COMMITTER_EMAIL=",
}

// isolated makes git, and the format of its output, independent of the user's
// configuration. No editor opens.
var isolated = []string{
	"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=" + os.DevNull, "GIT_ATTR_NOSYSTEM=1",
	"GIT_LITERAL_PATHSPECS=1", "GIT_EDITOR=true", "LC_ALL=C",
}

// Run runs git and returns its standard output. The error holds the message of git.
func (r Repo) Run(ctx context.Context, args ...string) (string, error) {
	return r.Input(ctx, "", args...)
}

// Input is [Repo.Run] with a standard input.
func (r Repo) Input(ctx context.Context, input string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = r.Dir
	for _, e := range os.Environ() {
		// A hook of another repository may have set GIT_DIR and others.
		if !strings.HasPrefix(e, "GIT_") {
			cmd.Env = append(cmd.Env, e)
		}
	}
	cmd.Env = append(append(append(cmd.Env, isolated...), author...), "PWD="+r.Dir)
	cmd.Stdin = strings.NewReader(input)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if errors.Is(err, exec.ErrNotFound) {
		return "", errors.New("git is not installed; gvpatch edit and rebase need it")
	}
	if err != nil {
		if msg := strings.TrimSpace(stderr.String()); msg != "" && ctx.Err() == nil {
			err = errors.New(msg)
		}
		return stdout.String(), fmt.Errorf("git %s: %w", args[0], err)
	}
	return stdout.String(), nil
}

// Lines runs git and returns the lines that it prints.
func (r Repo) Lines(ctx context.Context, args ...string) ([]string, error) {
	out, err := r.Run(ctx, args...)
	if out = strings.TrimSuffix(out, "\n"); out == "" || err != nil {
		return nil, err
	}
	return strings.Split(out, "\n"), nil
}
