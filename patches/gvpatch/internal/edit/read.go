// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package edit

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/mnet-dev/mnet/patches"
	"github.com/mnet-dev/mnet/patches/gvpatch/internal/tree"
	"github.com/mnet-dev/mnet/patches/gvpatch/internal/udiff"
)

// maxName is the length to which git format-patch cuts the name of a file without its
// extension.
const maxName = 57

// commit is a commit between the original and HEAD.
type commit struct {
	id, parent    string
	subject, body string
	slug          string   // the subject as a file name
	existing      []string // changed files that the original has
	added         []string // changed files that it lacks
}

func (c *commit) String() string { return fmt.Sprintf("commit %.12s (%s)", c.id, c.subject) }

// Read makes a series of the commits up to HEAD, which have to be the original, fixes,
// the overlay, hooks. The error says what to do if they are not. The series makes of
// the original the files of HEAD.
func (r *Repo) Read(ctx context.Context, original tree.Tree) (patches.Series, error) {
	var s patches.Series
	commits, err := r.commits(ctx, original)
	if err != nil {
		return s, err
	}
	overlayAt := slices.IndexFunc(commits, func(c *commit) bool { return c.subject == OverlaySubject })
	if overlayAt < 0 {
		return s, fmt.Errorf("no commit has the subject %q, which separates fixes from hooks", OverlaySubject)
	}
	fix, hook := 1, patches.FirstHook
	for i, c := range commits {
		if err := c.check(i, overlayAt); err != nil {
			return s, err
		}
		if len(c.existing) == 0 {
			continue // of the overlay alone
		}
		number := &fix
		if i > overlayAt {
			number = &hook
		}
		p, err := r.patch(ctx, c, *number)
		if err != nil {
			return s, err
		}
		s.Patches = append(s.Patches, p)
		*number++
	}
	if s.Overlay, err = r.overlay(ctx, original); err != nil {
		return s, err
	}
	if err := s.Validate(); err != nil {
		return s, err
	}
	return s, r.verify(ctx, original, s)
}

// check checks what a commit does, given its position and that of the overlay.
func (c *commit) check(i, overlayAt int) error {
	verb, _, _ := strings.Cut(c.subject, " ")
	switch {
	case verb == "fixup!" || verb == "squash!" || verb == "amend!":
		return fmt.Errorf("%v waits for\n\tgit rebase -i --autosquash %s", c, originalRef)
	case c.subject == "":
		return fmt.Errorf("%v has no subject", c)
	case i != overlayAt && c.subject == OverlaySubject:
		return fmt.Errorf("%v: a second one with this subject", c)
	case i == overlayAt && len(c.existing) > 0:
		return fmt.Errorf("%v changes %s, which gVisor has; that belongs to a hook", c, c.existing[0])
	case i < overlayAt && len(c.added) > 0:
		return fmt.Errorf("%v is a fix and adds %s; new files belong to the overlay, thus behind its commit", c, c.added[0])
	}
	return nil
}

// commits lists the commits after the original.
func (r *Repo) commits(ctx context.Context, original tree.Tree) ([]*commit, error) {
	if _, err := r.Run(ctx, "merge-base", "--is-ancestor", originalRef, "HEAD"); err != nil {
		return nil, fmt.Errorf("HEAD does not descend from the original gVisor, %s", originalRef)
	}
	lines, err := r.Lines(ctx, "log", "--reverse", "--topo-order", "--format=%H%x00%P%x00%f%x00%s", originalRef+"..HEAD")
	if err != nil {
		return nil, err
	}
	var commits []*commit
	for _, line := range lines {
		f := strings.SplitN(line, "\x00", 4)
		c := &commit{id: f[0], parent: f[1], slug: f[2], subject: f[3]}
		if strings.Contains(c.parent, " ") {
			return nil, fmt.Errorf("%v is a merge; patches need a straight line of commits", c)
		}
		if c.body, err = r.Run(ctx, "log", "-1", "--format=%b", c.id); err != nil {
			return nil, err
		}
		names, err := r.names(ctx, "diff-tree", "-r", "--no-renames", "--name-only", "-z", c.parent, c.id)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			if _, ok := original[name]; ok {
				c.existing = append(c.existing, name)
			} else {
				c.added = append(c.added, name)
			}
		}
		commits = append(commits, c)
	}
	return commits, nil
}

// names runs git and returns the names that it prints, each with a NUL after it.
func (r *Repo) names(ctx context.Context, args ...string) ([]string, error) {
	out, err := r.Run(ctx, args...)
	if out == "" || err != nil {
		return nil, err
	}
	return strings.Split(strings.TrimSuffix(out, "\x00"), "\x00"), nil
}

// author is the author of all patches. git am takes it, and it has no address.
const author = "The mnet Authors <>"

// patch formats a commit. The text has no date, no version of git and no names of
// objects: it changes only with the commit.
func (r *Repo) patch(ctx context.Context, c *commit, number int) (patches.Patch, error) {
	args := []string{"diff-tree", "-p", "--no-renames", "--no-color", "--no-ext-diff", "--no-textconv", "--unified=3",
		"--diff-algorithm=myers", "--src-prefix=a/", "--dst-prefix=b/", c.parent, c.id, "--"}
	diff, err := r.Run(ctx, append(args, c.existing...)...)
	if err != nil {
		return patches.Patch{}, err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "From: %s\nSubject: [PATCH] %s\n\n", author, c.subject)
	if body := strings.TrimSpace(c.body); body != "" {
		b.WriteString(body + "\n")
	}
	b.WriteString("---\n")
	header := true
	for line := range strings.Lines(diff) {
		switch {
		case strings.HasPrefix(line, "diff --git "):
			header = true
		case strings.HasPrefix(line, "@@ "):
			header = false
		case header && strings.HasPrefix(line, "index "):
			continue
		}
		b.WriteString(line)
	}
	name := fmt.Sprintf("%04d-%s", number, c.slug)
	p := patches.Patch{Name: name[:min(len(name), maxName)] + ".patch", Data: []byte(b.String())}
	switch parsed, err := udiff.Parse(p.Name, p.Data); {
	case err != nil:
		return p, fmt.Errorf("%v: %w", c, err)
	case parsed.Subject != c.subject || strings.TrimSpace(parsed.Body) != strings.TrimSpace(c.body):
		return p, fmt.Errorf("%v: its message has a line that reads as the end of a message", c)
	}
	return p, nil
}

// overlay reads the files of HEAD that the original lacks.
func (r *Repo) overlay(ctx context.Context, original tree.Tree) (map[string][]byte, error) {
	names, err := r.names(ctx, "ls-tree", "-r", "--name-only", "-z", "HEAD")
	if err != nil {
		return nil, err
	}
	overlay := make(map[string][]byte)
	for _, name := range names {
		if _, ok := original[name]; ok {
			continue
		}
		data, err := r.Run(ctx, "cat-file", "blob", "HEAD:"+name)
		if err != nil {
			return nil, err
		}
		overlay[name] = []byte(data)
	}
	return overlay, nil
}

// verify applies s and compares the result with HEAD.
func (r *Repo) verify(ctx context.Context, original tree.Tree, s patches.Series) error {
	parsed, err := tree.Parse(s)
	if err != nil {
		return err
	}
	built := maps.Clone(original)
	if err := parsed.Apply(built); err != nil {
		return err
	}
	entries, err := r.names(ctx, "ls-tree", "-r", "-z", "HEAD")
	if err != nil {
		return err
	}
	have := make(map[string]string)
	for _, e := range entries {
		id, name, _ := strings.Cut(e, "\t")
		have[name] = id
	}
	want := make(map[string]string)
	for name, data := range built {
		want[name] = "100644 blob " + tree.BlobID(data)
	}
	for _, m := range []map[string]string{have, want} {
		for name := range m {
			if have[name] != want[name] {
				return fmt.Errorf("%s: HEAD has %q, the series makes %q", name, have[name], want[name])
			}
		}
	}
	return nil
}
