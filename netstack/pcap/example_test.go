// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package pcap_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/mnet-dev/mnet/netstack"
	"github.com/mnet-dev/mnet/netstack/pcap"
)

// Pings a stack and writes the packets to a file.
func Example() {
	var file bytes.Buffer // a program uses os.Create
	if err := capturePing(&file); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("request and reply:", bytes.Count(file.Bytes(), []byte("hello")))
	// Output: request and reply: 2
}

func capturePing(file io.Writer) error {
	here, there := netstack.Pipe(netstack.PipeConfig{})
	packets := pcap.NewWriter(file, pcap.Config{})
	s, err := attach(here, "10.0.0.1/24", packets.Interface("pipe0"))
	if err != nil {
		return err
	}
	defer s.Close()
	peer, err := attach(there, "10.0.0.2/24", nil)
	if err != nil {
		return err
	}
	defer peer.Close()

	p, err := s.NewPinger(netip.MustParseAddr("10.0.0.2"))
	if err != nil {
		return err
	}
	defer p.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if _, err := p.Ping(ctx, []byte("hello")); err != nil {
		return err
	}
	return packets.Close()
}

// attach returns a stack on a link.
func attach(link *netstack.PipeEnd, prefix string, capture func(netstack.CapturedPacket)) (*netstack.Stack, error) {
	s, err := netstack.New(netstack.Config{})
	if err != nil {
		return nil, err
	}
	_, err = s.Attach(link, netstack.AttachOptions{
		Addresses: []netip.Prefix{netip.MustParsePrefix(prefix)},
		Capture:   capture,
	})
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}
