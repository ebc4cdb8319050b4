// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package migrate

// TokenEntry is a token that the peer may use, and the counter it stands for.
type TokenEntry struct {
	Token   Token
	Counter uint64
}

// Table finds connections by token. The zero value is an empty table. It is not
// safe for concurrent use.
type Table[V comparable] struct {
	m map[Token]tableEntry[V]
}

type tableEntry[V comparable] struct {
	v       V
	counter uint64
}

// Set replaces the tokens of v: old are those that it has now. If one of the
// new ones belongs to another value, v ends up with none and Set returns true.
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

// Lookup finds the owner of a token.
func (t *Table[V]) Lookup(tok Token) (v V, counter uint64, ok bool) {
	e, ok := t.m[tok]
	return e.v, e.counter, ok
}

// Len returns the number of tokens.
func (t *Table[V]) Len() int { return len(t.m) }
