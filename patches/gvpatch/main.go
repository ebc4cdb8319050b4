// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

// Gvpatch gives a module a gVisor whose TCP can migrate connections. It patches the
// gVisor of the module cache, writes it to a directory of the module, and makes the
// module's go.mod or go.work point there.
//
//	go run github.com/mnet-dev/mnet/patches/gvpatch apply -dir third_party/gvisor
//
// It needs the go command alone. The commands edit and rebase, which are for
// maintainers, need git too.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"

	"github.com/mnet-dev/mnet/patches"
	"github.com/mnet-dev/mnet/patches/gvpatch/internal/gocmd"
)

// Exit codes.
const (
	exitOK      = 0
	exitFinding = 1 // something is wrong with patches, tree or module
	exitFailure = 2 // usage, no network, no permission: gvpatch could not find out
)

const usage = `Gvpatch writes a gVisor with the patches of mnet.

	gvpatch apply  [-dir DIR] [-use go.work|go.mod|none] [-force]
	gvpatch check  [-dir DIR] [-use go.work|go.mod|none] [-build]
	gvpatch list
	gvpatch edit   [-dir DIR] [-write [-o DIR]]
	gvpatch rebase -to VERSION [-dir DIR] [-o DIR]
	gvpatch record
	gvpatch lint   [-staticcheck PACKAGE@VERSION]

apply   writes the patched gVisor to DIR and makes the module use it
check   checks that the series applies, that DIR holds what it makes, and that
        the build uses it
list    lists the series and what it is made for
edit    makes a git repository of the series, and writes it back (for maintainers)
rebase  moves the series to another version of gVisor (for maintainers)
record  records what the series makes after it changed (for maintainers)
lint    runs analyzers on the patched gVisor and the original (for maintainers)

"gvpatch COMMAND -h" lists the flags. The exit code is 1 if something is wrong
with the patches, the directory or the module, and 2 if gvpatch can't find out.
`

// tool holds what all commands need.
type tool struct {
	dir            string // working directory
	pin            patches.Pin
	series         patches.Series
	stdout, stderr io.Writer

	// download returns a module of the module cache, as gocmd.Download does.
	download func(ctx context.Context, path, version string, sumKnown bool) (gocmd.Module, error)
}

// finding is an error with exit code 1.
type finding struct{ error }

func (f finding) Unwrap() error { return f.error }

func findingf(format string, args ...any) error { return finding{fmt.Errorf(format, args...)} }

// errUsage is an error about the command line that was printed already.
var errUsage = errors.New("usage")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	dir, err := os.Getwd()
	if err != nil {
		fmt.Fprintln(os.Stderr, "gvpatch:", err)
		os.Exit(exitFailure)
	}
	t := &tool{dir: dir, pin: patches.Pinned(), series: patches.Embedded(),
		stdout: os.Stdout, stderr: os.Stderr, download: gocmd.Download}
	os.Exit(t.run(ctx, os.Args[1:]))
}

func (t *tool) run(ctx context.Context, args []string) int {
	commands := map[string]func(context.Context, []string) error{
		"apply": t.apply, "check": t.check, "list": t.list, "edit": t.edit, "lint": t.lint, "rebase": t.rebase, "record": t.record,
	}
	if len(args) == 0 {
		fmt.Fprint(t.stderr, usage)
		return exitFailure
	}
	if args[0] == "-h" || args[0] == "--help" || args[0] == "help" {
		fmt.Fprint(t.stdout, usage)
		return exitOK
	}
	command, ok := commands[args[0]]
	if !ok {
		fmt.Fprintf(t.stderr, "gvpatch: unknown command %q\n\n%s", args[0], usage)
		return exitFailure
	}
	err := command(ctx, args[1:])
	switch {
	case err == nil || errors.Is(err, flag.ErrHelp):
		return exitOK
	case errors.Is(err, errUsage):
		return exitFailure
	}
	fmt.Fprintln(t.stderr, "gvpatch:", err)
	if errors.As(err, new(finding)) {
		return exitFinding
	}
	return exitFailure
}

// flags returns the flag set of a command.
func (t *tool) flags(name string) *flag.FlagSet {
	fs := flag.NewFlagSet("gvpatch "+name, flag.ContinueOnError)
	fs.SetOutput(t.stderr)
	return fs
}

// parse parses the arguments of a command, which are all flags.
func (t *tool) parse(fs *flag.FlagSet, args []string) error {
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return err
		}
		return errUsage
	}
	if fs.NArg() > 0 {
		fmt.Fprintf(t.stderr, "%s: unexpected argument %q\n", fs.Name(), fs.Arg(0))
		fs.Usage()
		return errUsage
	}
	return nil
}

func (t *tool) printf(format string, args ...any) {
	fmt.Fprintf(t.stdout, format, args...)
}
