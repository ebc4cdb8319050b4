package endpoint

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/mnet-dev/mnet/netstack/simnet"
)

func TestExpStale(t *testing.T) {
	for _, rate := range []int64{10e6, 50e6, 200e6, 1e9} {
		for _, up := range []bool{true, false} {
			for _, nat := range []*simnet.NATConfig{&strictNAT, nil} {
				w0 := simnet.Wire{Delay: 10 * time.Millisecond, Rate: rate, Queue: 1 << 20}
				w1 := simnet.Wire{Delay: 250 * time.Millisecond, Rate: 50e6, Queue: 4 << 20}
				l := newLab(t, labConfig{nat: nat, MultihomedConfig: simnet.MultihomedConfig{Uplinks: []simnet.Uplink{{Link: simnet.Symmetric(w0)}, {Link: simnet.Symmetric(w1)}}}})
				for i := range l.nats { _ = i }
				c, s := l.open(serverAddr)
				src, dst := s, c
				if up {
					src, dst = c, s
				}
				st := newStream(src, dst, 1)
				size := rate / 8 * 2 + 3<<20
				wait := st.sending(t, size)
				l.sleep(time.Second)
				begin := l.net.Clock.Elapsed()
				l.migrate(c, "10.2.0.2")
				moved := l.net.Clock.Elapsed()
				rcv := sequenceOf(dst).rcv
				// time until something new arrives in sequence
				var gap time.Duration
				for gap = 0; gap < 20*time.Second; gap += 50 * time.Millisecond {
					l.sleep(50 * time.Millisecond)
					if sequenceOf(dst).rcv-rcv > 100000 {
						break
					}
				}
				wait()
				st.finish(t)
				fmt.Printf("rate %v up %v nat %v: moved in %v, next 100 kB after %v, all after %v", rate, up, nat != nil, moved-begin, gap, l.net.Clock.Elapsed()-begin)
				if nat != nil {
					fmt.Printf(" %+v", l.nats[1].Stats())
				}
				fmt.Println()
			}
		}
	}
	_ = os.Stdout
}
