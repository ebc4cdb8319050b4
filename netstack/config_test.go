// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package netstack

import (
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
)

func TestConfigRejects(t *testing.T) {
	for name, cfg := range map[string]Config{
		"congestion control":  {CongestionControl: "vegas"},
		"min above default":   {SendBuffer: BufferSizes{Min: 2 << 20, Default: 1 << 20}},
		"default above max":   {ReceiveBuffer: BufferSizes{Default: 2 << 20, Max: 1 << 20}},
		"negative min":        {SendBuffer: BufferSizes{Min: -1}},
		"negative RTO":        {MinRTO: -1},
		"RTO bounds reversed": {MinRTO: time.Second, MaxRTO: 500 * time.Millisecond},
	} {
		if s, err := New(cfg); err == nil {
			s.Close()
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestConfigDefaults(t *testing.T) {
	s := newStack(t, Config{})
	var (
		sack     tcpip.TCPSACKEnabled
		recovery tcpip.TCPRecovery
		cc       tcpip.CongestionControlOption
		send     tcpip.TCPSendBufferSizeRangeOption
		receive  tcpip.TCPReceiveBufferSizeRangeOption
		moderate tcpip.TCPModerateReceiveBufferOption
		timeWait tcpip.TCPTimeWaitTimeoutOption
		minRTO   tcpip.TCPMinRTOOption
		maxRTO   tcpip.TCPMaxRTOOption
	)
	for _, o := range []tcpip.GettableTransportProtocolOption{
		&sack, &recovery, &cc, &send, &receive, &moderate, &timeWait, &minRTO, &maxRTO,
	} {
		if terr := s.GVisor().TransportProtocolOption(tcp.ProtocolNumber, o); terr != nil {
			t.Fatal(terr)
		}
	}
	if !bool(sack) || recovery != tcpip.TCPRACKLossDetection || cc != CUBIC || !bool(moderate) || timeWait != tcpip.TCPTimeWaitTimeoutOption(DefaultTimeWait) {
		t.Errorf("SACK %v, recovery %v, congestion control %v, moderate %v, TIME-WAIT %v", sack, recovery, cc, moderate, timeWait)
	}
	if time.Duration(minRTO) != DefaultMinRTO || time.Duration(maxRTO) != DefaultMaxRTO {
		t.Errorf("RTO within %v and %v", time.Duration(minRTO), time.Duration(maxRTO))
	}
	if want := (BufferSizes{MinBuffer, DefaultBuffer, MaxSendBuffer}); BufferSizes(send) != want {
		t.Errorf("send buffer %v, want %v", send, want)
	}
	if want := (BufferSizes{MinBuffer, DefaultBuffer, MaxReceiveBuffer}); BufferSizes(receive) != want {
		t.Errorf("receive buffer %v, want %v", receive, want)
	}
}

// TestConfigHalf sets one of two bounds beyond the default of the other.
func TestConfigHalf(t *testing.T) {
	newStack(t, Config{MaxRTO: 100 * time.Millisecond})
	newStack(t, Config{MinRTO: 300 * time.Second})
	newStack(t, Config{SendBuffer: BufferSizes{Min: 2 * MaxSendBuffer}})
	newStack(t, Config{ReceiveBuffer: BufferSizes{Max: DefaultBuffer / 2}})
}

func TestConfigSets(t *testing.T) {
	sizes := BufferSizes{Min: 8 << 10, Default: 64 << 10, Max: 8 << 20}
	s := newStack(t, Config{
		CongestionControl: Reno, DisableSACK: true, DisableRACK: true,
		SendBuffer: sizes, ReceiveBuffer: sizes,
		MinRTO: 300 * time.Second, MaxRTO: 400 * time.Second,
		TimeWait: time.Second, FinWait2: 2 * time.Second,
	})
	var (
		sack     tcpip.TCPSACKEnabled
		recovery tcpip.TCPRecovery
		cc       tcpip.CongestionControlOption
		send     tcpip.TCPSendBufferSizeRangeOption
		receive  tcpip.TCPReceiveBufferSizeRangeOption
		minRTO   tcpip.TCPMinRTOOption
		maxRTO   tcpip.TCPMaxRTOOption
		timeWait tcpip.TCPTimeWaitTimeoutOption
		finWait2 tcpip.TCPLingerTimeoutOption
	)
	for _, o := range []tcpip.GettableTransportProtocolOption{&sack, &recovery, &cc, &send, &receive, &minRTO, &maxRTO, &timeWait, &finWait2} {
		if terr := s.GVisor().TransportProtocolOption(tcp.ProtocolNumber, o); terr != nil {
			t.Fatal(terr)
		}
	}
	if bool(sack) || recovery != 0 || cc != Reno || BufferSizes(send) != sizes || BufferSizes(receive) != sizes {
		t.Errorf("SACK %v, recovery %v, congestion control %v, buffers %v and %v", sack, recovery, cc, send, receive)
	}
	if time.Duration(minRTO) != 300*time.Second || time.Duration(maxRTO) != 400*time.Second {
		t.Errorf("RTO within %v and %v", time.Duration(minRTO), time.Duration(maxRTO))
	}
	if time.Duration(timeWait) != time.Second || time.Duration(finWait2) != 2*time.Second {
		t.Errorf("TIME-WAIT %v, FIN-WAIT-2 %v", time.Duration(timeWait), time.Duration(finWait2))
	}
}
