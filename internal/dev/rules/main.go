// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

// Rules compares the numbered rules of the protocol with the places that cite them.
// Each rule needs code that implements it and a test that guards it.
//
//	rules [-list] [dir]
//
// dir is the root of the repository, the working directory if absent. A rule is an item
// of a list in docs/protocol.md that begins with its number in bold. The number is M, the
// number of the section, and two digits.
//
// Code cites a rule by its number in a comment of a Go file, or of a line that a patch
// adds. A test guards a rule if the comment in front of the test quotes it. The
// quotation is a paragraph that begins with the number and a colon, and goes on with
// sentences of the rule. So a rule that is changed has its tests looked at.
//
// Rules prints its findings, one a line, and exits with 1 if there are any. It exits
// with 2 if a file cannot be read or parsed. With -list it prints each rule with the
// places that cite it.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
)

const specFile = "docs/protocol.md"

func main() {
	list := flag.Bool("list", false, "print each rule with the places that cite it")
	flag.Parse()
	dir := "."
	switch flag.NArg() {
	case 0:
	case 1:
		dir = flag.Arg(0)
	default:
		flag.Usage()
		os.Exit(2)
	}
	tree, err := read(os.DirFS(dir))
	if err != nil {
		fmt.Fprintln(os.Stderr, "rules:", err)
		os.Exit(2)
	}
	if *list {
		tree.list(os.Stdout)
		return
	}
	findings := tree.check()
	for _, f := range findings {
		fmt.Println(f)
	}
	if len(findings) > 0 {
		fmt.Fprintf(os.Stderr, "rules: %d findings about %d rules\n", len(findings), len(tree.rules))
		os.Exit(1)
	}
}

// list prints each rule, its text and the places that cite it.
func (t *tree) list(w io.Writer) {
	code, tests := t.places()
	for _, r := range t.rules {
		fmt.Fprintf(w, "%s %s\n", r.name, r.text)
		for _, p := range code[r.name] {
			fmt.Fprintf(w, "\tcode %v\n", p)
		}
		for _, p := range tests[r.name] {
			fmt.Fprintf(w, "\ttest %v\n", p)
		}
	}
}
