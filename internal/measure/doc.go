// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

// Package measure measures a connection between two nodes while it moves: how much
// it carries, and for how long nothing arrives after a move.
//
// # Protocol
//
// The end that dialled begins. A line is a JSON object and a line feed.
//
//	hello     > {"mnet_bench":1,"mode":"upload","seconds":10}
//	welcome   < {"mnet_bench":1} or {"mnet_bench":1,"error":"..."}
//	upload    > bytes, then the end of the stream
//	          < {"bytes":...,"gaps":[{"offset":...,"ns":...},...],"error":"..."}
//	download  < bytes for the time asked for, then the end of the stream
//	interactive > messages < the same messages, until the end of the stream
//
// The bytes are those of package pattern with seed [Version], from offset 0 in each
// direction: a byte that is not where it belongs is an error at whoever receives it.
//
// # Outages
//
// The outage of a move is the longest time without an arrival at the receiver that
// begins at or after the move began, and before the next one did. Both ends share no
// clock but the stream: a gap is known by the offset of the byte that ends it, a move
// by the offset of the first byte that had not been acknowledged (or, if this end
// receives, had not arrived) when it began.
package measure
