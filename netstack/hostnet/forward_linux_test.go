// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package hostnet

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/mnet-dev/mnet/internal/dev/nstest"
)

// snapshot returns all settings of the host that a Share may change.
func (s *site) snapshot() map[string]string {
	all := make(map[string]string)
	for _, dev := range []string{"all", "default", "lo", device, "up0"} {
		all["ipv4/"+dev] = s.host.Setting("ipv4/conf/" + dev + "/forwarding")
		for _, name := range settable {
			all["ipv6/"+dev+"/"+name] = s.host.Setting("ipv6/conf/" + dev + "/" + name)
		}
	}
	return all
}

// changes lists the differences.
func changes(before, after map[string]string) []string {
	var all []string
	for k, v := range after {
		if v != before[k] {
			all = append(all, fmt.Sprintf("%s %s>%s", k, before[k], v))
		}
	}
	slices.Sort(all)
	return all
}

// needForce skips the test on a kernel without the switch of one interface.
func (s *site) needForce() {
	if _, err := os.Stat("/proc/sys/net/ipv6/conf/all/force_forwarding"); err != nil {
		s.host.t.Skip("needs Linux 6.17: ", err)
	}
}

func TestForward(t *testing.T) {
	s := newSite(t)
	s.needForce()
	before := s.snapshot()
	var told []Setting
	sh := s.share(ShareConfig{Masquerade: bothFamilies, Changed: func(set Setting) {
		told = append(told, set)
		if now := s.host.Setting(set.Path[len(procNet)+1:]); now != set.Was {
			t.Errorf("%s is %s when told, want %s", set.Path, now, set.Was)
		}
	}})
	want := []string{"ipv4/mnet0 0>1", "ipv4/up0 0>1", "ipv6/mnet0/force_forwarding 0>1", "ipv6/up0/force_forwarding 0>1"}
	if got := changes(before, s.snapshot()); !slices.Equal(got, want) {
		t.Errorf("changed %q, want %q", got, want)
	}
	s.host.Must(sh.setUplinks(s.uplinks()))
	if len(told) != len(want) {
		t.Errorf("told %d settings, want %d: %v", len(told), len(want), told)
	}
	// Uplinks that are gone are no error.
	s.host.Must(sh.setUplinks(append(s.uplinks(), Uplink{Interface: "gone0", Source: addrOf(ipNet("192.0.2.9/32").IP)})))
	s.host.Must(sh.Close())
	if left := changes(before, s.snapshot()); len(left) != 0 {
		t.Errorf("left %q", left)
	}
}

// TestForwardFamily leaves the other family alone.
func TestForwardFamily(t *testing.T) {
	s := newSite(t)
	before := s.snapshot()
	s.share(ShareConfig{Masquerade: bothFamilies[:1]})
	want := []string{"ipv4/mnet0 0>1", "ipv4/up0 0>1"}
	if got := changes(before, s.snapshot()); !slices.Equal(got, want) {
		t.Errorf("changed %q, want %q", got, want)
	}
}

// TestForwardRouter changes nothing on a host that is a router.
func TestForwardRouter(t *testing.T) {
	s := newSite(t)
	s.host.Set("ipv4/conf/all/forwarding", "1")
	s.host.Set("ipv6/conf/all/forwarding", "1")
	s.share(ShareConfig{Masquerade: bothFamilies, Changed: func(set Setting) { t.Errorf("changed %+v", set) }})
}

// TestForwardTouched has another program change a setting. The program's value stays.
func TestForwardTouched(t *testing.T) {
	s := newSite(t)
	sh := s.share(ShareConfig{Masquerade: bothFamilies[:1]})
	s.host.Set("ipv4/conf/up0/forwarding", "0")
	s.host.Set("ipv4/conf/up0/forwarding", "1") // the same value is not told apart
	s.host.Set("ipv4/conf/mnet0/forwarding", "0")
	s.host.Must(sh.Close())
	for _, dev := range []string{"up0", "mnet0"} {
		if now := s.host.Setting("ipv4/conf/" + dev + "/forwarding"); now != "0" {
			t.Errorf("%s: forwarding=%s", dev, now)
		}
	}
}

// TestForwardAll6 is the way of kernels without a switch of one interface.
func TestForwardAll6(t *testing.T) {
	s := newSite(t)
	s.host.Set("ipv6/conf/up0/accept_ra", "1")
	s.host.Set("ipv6/conf/lo/accept_ra", "0")    // never listens
	s.host.Set("ipv6/conf/mnet0/accept_ra", "1") // does not listen, being a router's
	s.host.Set("ipv6/conf/mnet0/forwarding", "1")
	before := s.snapshot()
	var f *forwarding
	var made []Setting
	s.host.Must(s.host.Do(func() (err error) {
		f, err = openForwarding(func(set Setting) { made = append(made, set) })
		return err
	}))
	s.host.Must(f.enableAll6())
	after := s.snapshot()
	for k, want := range map[string]string{
		"ipv6/all/forwarding": "1", "ipv6/up0/forwarding": "1", "ipv6/mnet0/forwarding": "1",
		"ipv6/up0/accept_ra": "2", "ipv6/default/accept_ra": "2", "ipv6/lo/accept_ra": "0", "ipv6/mnet0/accept_ra": "1",
	} {
		if after[k] != want {
			t.Errorf("%s is %s, want %s", k, after[k], want)
		}
	}
	if last := made[len(made)-1]; last.Path != "/proc/sys/net/ipv6/conf/all/forwarding" {
		t.Errorf("%s is changed last: router advertisements may get lost before", last.Path)
	}
	s.host.Set("ipv6/conf/default/accept_ra", "0") // by somebody else
	s.host.Must(f.close())
	// The switch of all interfaces takes mnet0's own along.
	want := []string{"ipv6/default/accept_ra 1>0", "ipv6/mnet0/forwarding 1>0"}
	if left := changes(before, s.snapshot()); !slices.Equal(left, want) {
		t.Errorf("left %q, want %q", left, want)
	}
}

func TestRestoreRefuses(t *testing.T) {
	for _, path := range []string{
		"", "/etc/passwd", "/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv4/conf/eth0/rp_filter",
		"/proc/sys/net/ipv4/conf/../forwarding/forwarding/", "/proc/sys/net/ipv9/conf/eth0/forwarding",
		"/tmp/proc/sys/net/ipv4/conf/eth0/forwarding",
	} {
		if err := (Setting{Path: path, Was: "0", Set: "1"}).Restore(); !errors.Is(err, ErrConfig) {
			t.Errorf("%q: %v", path, err)
		}
	}
	n := NewNamespace(t)
	n.Must(n.Do(func() error { // an interface that is gone is no error
		return Setting{Path: "/proc/sys/net/ipv4/conf/gone0/forwarding", Was: "0", Set: "1"}.Restore()
	}))
	err := n.Do(func() error { // os.Root does not let ".." out
		return Setting{Path: "/proc/sys/net/ipv4/conf/../forwarding", Was: "0", Set: "1"}.Restore()
	})
	if err == nil {
		t.Error("a path that leads out of the directory is no error")
	}
}

// TestKilled kills a process that has a Share: the kernel removes the table, and
// another process undoes the settings.
func TestKilled(t *testing.T) {
	s := newSite(t)
	before := s.snapshot()
	var made []Setting
	s.host.Must(s.host.Do(func() error {
		cmd := nstest.Self(holder)
		cmd.Stderr = os.Stderr
		in, err := cmd.StdinPipe() // the process waits for its end
		if err != nil {
			return err
		}
		defer in.Close()
		out, err := cmd.StdoutPipe()
		if err != nil {
			return err
		}
		if err := cmd.Start(); err != nil {
			return err
		}
		for dec := json.NewDecoder(out); ; {
			var set *Setting
			if err := dec.Decode(&set); err != nil {
				t.Error("the process is not ready:", err)
				break
			}
			if set == nil {
				break
			}
			made = append(made, *set)
		}
		if _, err := NewShare(ShareConfig{Device: device}); !errors.Is(err, ErrInUse) {
			t.Error("a second process:", err)
		}
		if got := s.tables(); !slices.Equal(got, []string{"mnet-mnet0"}) {
			t.Errorf("tables %q", got)
		}
		if err := cmd.Process.Kill(); err != nil {
			return err
		}
		var exit *exec.ExitError
		if err := cmd.Wait(); !errors.As(err, &exit) {
			t.Error(err)
		}
		return nil
	}))
	if left := s.tables(); len(left) != 0 {
		t.Errorf("tables %q are left", left)
	}
	if len(made) == 0 || len(changes(before, s.snapshot())) != len(made) {
		t.Errorf("changed %q, told %v", changes(before, s.snapshot()), made)
	}
	s.host.Must(s.host.Do(func() error {
		for _, set := range slices.Backward(made) {
			if err := set.Restore(); err != nil {
				return err
			}
		}
		return nil
	}))
	if left := changes(before, s.snapshot()); len(left) != 0 {
		t.Errorf("left %q", left)
	}
}

// TestShareWatch has an uplink appear.
func TestShareWatch(t *testing.T) {
	s := newSite(t)
	sh := s.share(ShareConfig{Masquerade: bothFamilies})
	const file = "ipv4/conf/up1/forwarding"
	seen := make(chan string, 10)
	var stop func()
	s.host.Must(s.host.Do(func() (err error) {
		stop, err = sh.Watch(func(st State) {
			for _, u := range st.Uplinks {
				if u.Interface == "up1" {
					seen <- s.host.Setting(file)
				}
			}
		})
		return err
	}))
	defer stop()
	s.host.Connect("up1", s.world, "eth1")
	s.host.Addr("up1", "198.51.100.7/24")
	if now := s.host.Setting(file); now != "0" {
		t.Errorf("forwarding=%s without a default route", now)
	}
	s.host.AddRoute(s.host.DefaultRoute("up1", "198.51.100.1", 600))
	told := func() string {
		t.Helper()
		select {
		case then := <-seen:
			return then
		case <-time.After(patience):
			t.Fatal("the uplink is not told")
			panic("unreachable")
		}
	}
	if then := told(); then != "1" {
		t.Errorf("forwarding=%s when the uplink is told", then)
	}
	// An interface that was unplugged comes back with nothing set.
	s.host.Must(s.host.h.LinkDel(s.host.Link("up1")))
	s.host.Connect("up1", s.world, "eth2")
	s.host.Addr("up1", "198.51.100.7/24")
	s.host.AddRoute(s.host.DefaultRoute("up1", "198.51.100.1", 600))
	if then := told(); then != "1" {
		t.Errorf("forwarding=%s when the uplink is back", then)
	}
	s.host.Must(sh.Close())
	if now := s.host.Setting(file); now != "0" {
		t.Errorf("forwarding=%s is left", now)
	}
}

// TestShareFollows has an uplink appear that nobody watches for: the Share has packets
// forwarded that come in by it.
func TestShareFollows(t *testing.T) {
	s := newSite(t)
	told := make(chan Setting, 10)
	s.share(ShareConfig{Masquerade: bothFamilies[:1], Changed: func(set Setting) { told <- set }})
	s.host.Connect("up1", s.world, "eth1")
	s.host.Addr("up1", "198.51.100.7/24")
	s.host.AddRoute(s.host.DefaultRoute("up1", "198.51.100.1", 600))
	want := Setting{Path: procNet + "/ipv4/conf/up1/forwarding", Was: "0", Set: "1"}
	for deadline := time.After(patience); ; {
		select {
		case got := <-told:
			if got == want {
				return
			}
		case <-deadline:
			t.Fatal("packets of the new uplink are not forwarded")
		}
	}
}
