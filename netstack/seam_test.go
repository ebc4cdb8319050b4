// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package netstack

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"maps"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
)

// TestDriftNamesMethod checks the error for a gVisor with other hooks. It names a method
// that differs, in either half of the seam, and says what to do.
func TestDriftNamesMethod(t *testing.T) {
	type (
		otherStack    struct{}
		otherEndpoint struct{ tcpip.Endpoint }
		otherAcceptor struct{}
	)
	var (
		s = struct{ gvisorStack }{}
		e = (*tcp.Endpoint)(nil)
	)
	tests := map[string]error{
		"SetTransportProtocolPreHandler": compare(otherStack{}, e, (*handler)(nil), (*acceptor)(nil)),
		"CheckMigration":                 compare(s, otherEndpoint{}, (*handler)(nil), (*acceptor)(nil)),
	}
	if Patched() == nil {
		tests["MigrationReset"] = compare(s, e, otherHandler{}, (*acceptor)(nil))
		tests["MigrationAccept"] = compare(s, e, (*handler)(nil), otherAcceptor{})
	}
	for method, err := range tests {
		if err == nil || !strings.Contains(err.Error(), "missing method "+method) || !strings.Contains(err.Error(), patchAdvice(debug.ReadBuildInfo())) {
			t.Errorf("%s differs: got error %v", method, err)
		}
	}
}

// otherHandler has a method with another signature.
type otherHandler struct{ gvisorHandler }

func (otherHandler) MigrationReset() {}

// TestCopies checks this module's copies of gVisor's interfaces in the patched build:
// whatever implements them is what gVisor wants.
func TestCopies(t *testing.T) {
	if err := Patched(); err == ErrUnpatched {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
	err := compare((*stack.Stack)(nil), (*tcp.Endpoint)(nil), struct{ gvisorHandler }{}, struct{ gvisorAcceptor }{})
	if err != nil {
		t.Error(err)
	}
}

// TestCopiesAreWhole compares the source of both halves of the seam: neither has a
// method that the other one does not know of.
func TestCopiesAreWhole(t *testing.T) {
	theirs := parse(t, "../patches/_overlay/pkg/tcpip/transport/tcp/*.go")
	ours := parse(t, "seam.go")
	for _, name := range []string{"Handler", "Acceptor"} {
		same(t, name, theirs.interfaces["migration"+name], ours.interfaces["gvisor"+name])
	}
	delete(theirs.endpoint, "IgnoresErrorFor") // stack calls it
	same(t, "Endpoint", theirs.endpoint, ours.interfaces["gvisorEndpoint"])
}

func same(t *testing.T, name string, theirs, ours map[string]string) {
	t.Helper()
	if len(theirs) == 0 {
		t.Errorf("%s: gVisor's copy has no methods", name)
	}
	all := maps.Clone(theirs)
	maps.Copy(all, ours)
	for method := range all {
		if theirs[method] != ours[method] {
			t.Errorf("%s: method %s is %q in gVisor's copy and %q in this module's", name, method, theirs[method], ours[method])
		}
	}
}

// declared is what source files declare: signatures by the names of methods.
type declared struct {
	interfaces map[string]map[string]string // by the name of the type
	endpoint   map[string]string            // exported methods of Endpoint
}

func parse(t *testing.T, glob string) declared {
	t.Helper()
	files, err := filepath.Glob(glob)
	if err != nil {
		t.Fatal(err)
	}
	d := declared{make(map[string]map[string]string), make(map[string]string)}
	fset := token.NewFileSet()
	signature := func(f *ast.FuncType) string {
		var b bytes.Buffer
		if err := printer.Fprint(&b, fset, f); err != nil {
			t.Fatal(err)
		}
		// Types of the seam are named after the side that declares them.
		return strings.ReplaceAll(b.String(), "gvisor", "migration")
	}
	for _, name := range files {
		f, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				if n.Recv != nil && n.Name.IsExported() && receiver(n) == "Endpoint" {
					d.endpoint[n.Name.Name] = signature(n.Type)
				}
				return false
			case *ast.TypeSpec:
				if i, ok := n.Type.(*ast.InterfaceType); ok {
					d.interfaces[n.Name.Name] = make(map[string]string)
					for _, m := range i.Methods.List {
						if len(m.Names) == 1 {
							d.interfaces[n.Name.Name][m.Names[0].Name] = signature(m.Type.(*ast.FuncType))
						}
					}
				}
			}
			return true
		})
	}
	return d
}

// receiver returns the name of the type that f is a method of.
func receiver(f *ast.FuncDecl) string {
	t := f.Recv.List[0].Type
	if p, ok := t.(*ast.StarExpr); ok {
		t = p.X
	}
	name, _ := t.(*ast.Ident)
	return name.Name
}
