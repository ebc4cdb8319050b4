// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package migrate

// TokenEntry is a token that the peer may use, and the request counter that it stands
// for. Suites with a single token have counter 0.
type TokenEntry struct {
	Token   Token
	Counter uint64
}

// Table finds connections by token (M404). The zero value is an empty table. It is not
// safe for concurrent use.
type Table[V comparable] struct {
	m map[Token]tableEntry[V]
}

type tableEntry[V comparable] struct {
	v       V
	counter uint64
}

// Set replaces the tokens of v, of which old are in the table, by entries. If one of
// these belongs to another value, v ends up with none, and Set returns true.
func (t *Table[V]) Set(v V, old []Token, entries []TokenEntry) (collision bool) {
	for _, tok := range old {
		if t.m[tok].v == v {
			delete(t.m, tok)
		}
	}
	for _, e := range entries {
		if other, ok := t.m[e.Token]; ok && other.v != v {
			collision = true
		}
	}
	if collision {
		return true
	}
	if t.m == nil && len(entries) > 0 {
		t.m = make(map[Token]tableEntry[V])
	}
	for _, e := range entries {
		t.m[e.Token] = tableEntry[V]{v, e.Counter}
	}
	return false
}

// Lookup returns the owner of a token and the token's counter. It does not allocate
// (M410).
func (t *Table[V]) Lookup(tok Token) (v V, counter uint64, ok bool) {
	e, ok := t.m[tok]
	return e.v, e.counter, ok
}

// Len returns the number of tokens in the table.
func (t *Table[V]) Len() int { return len(t.m) }
