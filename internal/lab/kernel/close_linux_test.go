// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package kernel_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/mnet-dev/mnet/internal/dev/nstest"
	"github.com/mnet-dev/mnet/internal/lab/kernel"
)

// openedProcess is a process that cannot be mistaken for another of that number.
type openedProcess struct {
	t     *testing.T
	pidfd int
}

func openProcess(t *testing.T, pid string) openedProcess {
	t.Helper()
	n, err := strconv.Atoi(pid)
	must(t, err)
	fd, err := unix.PidfdOpen(n, 0)
	must(t, err)
	t.Cleanup(func() {
		unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0) // if the test has failed
		unix.Close(fd)
	})
	return openedProcess{t, fd}
}

func (p openedProcess) alive() bool {
	return unix.PidfdSendSignal(p.pidfd, 0, nil, 0) == nil && !p.ended(0)
}

func (p openedProcess) awaitDeath() {
	p.t.Helper()
	if !p.ended(patience) {
		p.t.Error("the process lives on")
	}
}

func (p openedProcess) ended(within time.Duration) bool {
	fds := []unix.PollFd{{Fd: int32(p.pidfd), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(fds, int(within.Milliseconds()))
		if err != unix.EINTR {
			return n > 0
		}
	}
}

// namespaces are the network namespaces that threads of a process are in, or of all
// processes if the pattern is "*".
func namespaces(t *testing.T, pid string) []string {
	t.Helper()
	paths, err := filepath.Glob("/proc/" + pid + "/task/*/ns/net")
	must(t, err)
	var all []string
	for _, path := range paths {
		if ns, err := os.Readlink(path); err == nil { // else the thread has ended
			all = append(all, ns)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// keepNamespaces opens the namespaces of a process: until they are released, no other
// namespace gets the number of one of them.
func keepNamespaces(t *testing.T, pid string) (names []string, release func()) {
	t.Helper()
	paths, err := filepath.Glob("/proc/" + pid + "/task/*/ns/net")
	must(t, err)
	var open []netns.NsHandle
	for _, path := range paths {
		if ns, err := netns.GetFromPath(path); err == nil { // else the thread has ended
			open = append(open, ns)
			names = append(names, fmt.Sprintf("net:[%d]", inode(t, ns)))
		}
	}
	slices.Sort(names)
	return slices.Compact(names), func() {
		for i := range open {
			open[i].Close()
		}
	}
}

func inode(t *testing.T, ns netns.NsHandle) uint64 {
	t.Helper()
	var st unix.Stat_t
	must(t, unix.Fstat(int(ns), &st))
	return st.Ino
}

// descriptors are the open files of this process.
func descriptors(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob("/proc/self/fd/*")
	must(t, err)
	var all []string
	for _, path := range paths {
		if file, err := os.Readlink(path); err == nil {
			all = append(all, file)
		}
	}
	slices.Sort(all)
	return all
}

// TestCloseLeavesNothing builds all there is, with a child that hides from its
// process group. Goroutines are checked after all tests.
func TestCloseLeavesNothing(t *testing.T) {
	newNetwork(t).Close() // opens the descriptors that the runtime keeps open, such as its poller
	threads, files, processors := namespaces(t, "self"), descriptors(t), runtime.GOMAXPROCS(0)

	network := newNetwork(t)
	topo, err := network.Topology(kernel.TopologyConfig{Uplinks: [2]kernel.WireConfig{{Delay: time.Hour}, {}}})
	must(t, err)
	child, pid := script(t, topo.Server, `setsid sleep infinity & echo $!; wait`)
	stray := openProcess(t, pid)
	// A packet is on the wire for an hour.
	if knock(t, topo.Client, kernelHost, context.DeadlineExceeded) == nil {
		t.Error("connected over a wire of an hour")
	}
	inside, release := keepNamespaces(t, "self")
	defer release()
	if len(inside) != len(threads)+7 {
		t.Fatalf("the threads are in %d namespaces, want 7 more than %d", len(inside), len(threads))
	}

	network.Close()
	network.Close()
	select {
	case <-child.Done():
	default:
		t.Error("the child is not reaped")
	}
	if stray.alive() {
		t.Error("the child's child is alive")
	}
	if now := namespaces(t, "self"); !slices.Equal(now, threads) {
		t.Errorf("threads are in the namespaces %v, want %v", now, threads)
	}
	for _, ns := range namespaces(t, "*") {
		if slices.Contains(inside, ns) && !slices.Contains(threads, ns) {
			t.Errorf("somebody is in the namespace %v", ns)
		}
	}
	release()
	if now := descriptors(t); slices.ContainsFunc(now, isOfNetwork) || len(now) > len(files)+1 { // the pidfd
		t.Errorf("open files %v, want %v", now, files)
	}
	if now := runtime.GOMAXPROCS(0); now != processors {
		t.Errorf("GOMAXPROCS is %d, want %d", now, processors)
	}

	for name, err := range map[string]error{
		"Do":        topo.Client.Do(func() error { return nil }),
		"SetUp":     topo.Client.SetUp("lo"),
		"Dial":      knock(t, topo.Client, kernelHost, kernel.ErrClosed),
		"Listen":    second(topo.Client.Listen(t.Context(), "tcp", ":80")),
		"Start":     second(topo.Client.Start(exec.Command("true"))),
		"Namespace": second(network.Namespace("late")),
		"Veth":      network.Veth(topo.Client, "a", topo.Host, "b", kernel.VethConfig{}),
		"Wire":      second(network.Wire(topo.Client, "a", topo.Client, "b", kernel.WireConfig{})),
	} {
		if !errors.Is(err, kernel.ErrClosed) {
			t.Errorf("%s in a closed network: %v, want ErrClosed", name, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// isOfNetwork recognises the open files of a network.
func isOfNetwork(file string) bool {
	return strings.HasPrefix(file, "net:[") || file == "/dev/net/tun" || strings.Contains(file, "timerfd")
}

// TestKilledProcessLeavesNothing kills a process that has a network.
func TestKilledProcessLeavesNothing(t *testing.T) {
	newNetwork(t) // or skip
	cmd := nstest.Self(holder)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe() // the holder waits on it
	must(t, err)
	defer stdin.Close()
	stdout, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		cmd.Process.Kill()
		cmd.Wait()
		t.Fatal(err)
	}
	pid := strings.TrimSpace(line)
	child := openProcess(t, pid)
	inside, release := keepNamespaces(t, strconv.Itoa(cmd.Process.Pid))
	defer release()
	client, err := netns.GetFromPath(fmt.Sprintf("/proc/%s/ns/net", pid))
	must(t, err)
	defer client.Close()
	h, err := netlink.NewHandleAt(client, unix.NETLINK_ROUTE)
	must(t, err)
	defer h.Close()
	if _, err := h.LinkByName("wifi0"); err != nil {
		t.Error(err)
	}

	must(t, cmd.Process.Kill())
	cmd.Wait()
	child.awaitDeath()
	// The client's namespace is held by this test only: its wires are gone.
	await(t, "the device is gone", func() bool {
		_, err := h.LinkByName("wifi0")
		return errors.As(err, &netlink.LinkNotFoundError{})
	})
	own := namespaces(t, "self")
	for _, ns := range namespaces(t, "*") {
		if slices.Contains(inside, ns) && !slices.Contains(own, ns) {
			t.Errorf("somebody is in the namespace %v", ns)
		}
	}
}

func TestNewSaysWhatIsMissing(t *testing.T) {
	newNetwork(t) // or skip
	cmd := nstest.Self(poor)
	const nobody = 65534
	cmd.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	out, err := cmd.CombinedOutput()
	must(t, err)
	if !strings.Contains(string(out), "run as root") {
		t.Errorf("the error is %q", out)
	}
}
