// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package migrate

import "testing"

// M404: The token table MUST map a token to connection and counter.
func TestTable(t *testing.T) {
	var table Table[string]
	find := func(tok Token, want string, counter uint64) {
		t.Helper()
		v, n, ok := table.Lookup(tok)
		if ok != (want != "") || v != want || n != counter {
			t.Errorf("Lookup(%d) = %q, %d, %v, want %q, %d", tok, v, n, ok, want, counter)
		}
	}
	find(1, "", 0)
	if table.Set("a", nil, nil) || table.Len() != 0 {
		t.Error("an empty set")
	}
	if table.Set("a", nil, []TokenEntry{{1, 10}, {2, 20}}) {
		t.Error("collision in an empty table")
	}
	find(1, "a", 10)
	find(2, "a", 20)

	// A later set replaces, and may have tokens in common with the earlier.
	if table.Set("a", []Token{1, 2}, []TokenEntry{{2, 21}, {3, 30}}) {
		t.Error("collision with oneself")
	}
	find(1, "", 0)
	find(2, "a", 21)
	find(3, "a", 30)

	// A collision leaves the other's tokens alone and takes all of one's own.
	if table.Set("b", nil, []TokenEntry{{4, 40}}) || !table.Set("b", []Token{4}, []TokenEntry{{5, 50}, {3, 31}}) {
		t.Error("collision not noticed")
	}
	find(3, "a", 30)
	find(4, "", 0)
	find(5, "", 0)
	// Nor does it take the other's by naming them as one's own.
	table.Set("b", []Token{2, 3}, nil)
	find(2, "a", 21)
	if table.Set("a", []Token{2, 3}, nil); table.Len() != 0 {
		t.Errorf("%d tokens are left", table.Len())
	}
}
