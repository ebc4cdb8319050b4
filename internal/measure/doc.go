// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

// Package measure measures a connection between two nodes while it moves: its
// throughput, and how long nothing arrives after a move.
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
// The bytes come from package pattern with seed [Version], from offset 0 in each
// direction. The receiver reports an error if a byte is not where it belongs.
//
// # Outages
//
// The outage of a move is the longest time without an arrival at the receiver. It
// begins at or after the beginning of the move, and before that of the next one.
//
// Both ends share no clock but the stream. A gap is identified by the offset of the
// byte that ends it. A move is identified by an offset, too. At the sender it is the
// first byte that was not acknowledged when the move began. At the receiver it is the
// first byte that had not arrived.
package measure
