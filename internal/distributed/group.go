// Package distributed lets several processes compute together. torchrun, srun or a PyTorchJob start them. LibTorch's c10d, the library below
// torch.distributed, finds them by a store of keys (TCPStore) and adds their numbers over the network (Gloo).
//
// A process is a rank. When one is lost, the sums of all others fail. Each of them then calls the roll in the store, and names the ranks that do not
// answer.
package distributed

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"hnn/internal/wait"
)

// Group is the processes that compute together. A nil Group is one process alone: its sums change nothing. Only one goroutine at a time may use a
// group. After an error of Sum or Broadcast, both return it for ever.
type Group struct {
	environment
	store store
	peers peers
	err   error
}

// The keys of the store. Each rank answers to joined at its start. A rank whose sum fails sets failed, and all ranks answer to alive then.
const (
	joined = "joined"
	failed = "failed"
	alive  = "alive"
)

const (
	answerTime  = time.Second    // that a rank has to answer
	partingTime = answerTime / 2 // that the rank with the store stays when it knows the answer
)

// Join connects this process with the others that the environment names. variable returns variables as os.Getenv does:
//   - RANK, WORLD_SIZE, LOCAL_RANK and LOCAL_WORLD_SIZE. If MASTER_ADDR is set, Slurm's SLURM_PROCID, SLURM_NTASKS and SLURM_LOCALID can stand for
//     the first three.
//   - MASTER_ADDR and MASTER_PORT.
//   - TORCHELASTIC_USE_AGENT_STORE and TORCHELASTIC_RESTART_COUNT, which torchrun sets.
//   - GLOO_SOCKET_IFNAME.
//   - HNN_TIMEOUT, the time that a rank waits for the others at the start and in a sum; one minute by default.
//
// Join returns nil if there is no other process. If a rank does not come in time, the error names it. If ctx ends first, Join returns its error, and
// what it has begun goes on until the program ends.
func Join(ctx context.Context, variable func(string) string) (*Group, error) {
	e, err := read(variable)
	if err != nil || e.size == 1 {
		return nil, err
	}
	g := &Group{environment: e}
	if err := wait.For(ctx, g.join); err != nil {
		return nil, err
	}
	return g, nil
}

func (g *Group) join() (err error) {
	err = within(g.timeout, func() (err error) { // c10d itself tries twice
		g.store, err = g.open(g.rank == 0 && !g.agent)
		return err
	})
	if err != nil {
		return fmt.Errorf("no contact with %s within %v: %w", g.keeper(), g.timeout, err)
	}
	if err := g.store.answer(joined, g.rank); err != nil {
		return err
	}
	absent, err := g.store.absent(joined, g.size, g.timeout)
	switch {
	case err != nil:
		return fmt.Errorf("lost contact with %s: %w", g.keeper(), err)
	case len(absent) > 0:
		g.linger()
		return fmt.Errorf("waited %v in vain for %s", g.timeout, g.names(absent))
	}
	listening, err := g.open(false) // a connection for what may wait for ever
	if err != nil {
		return fmt.Errorf("lost contact with %s: %w", g.keeper(), err)
	}
	go g.listen(listening)
	if g.peers, err = g.connect(g.store); err != nil {
		return g.explain(err)
	}
	return nil
}

// listen waits until a sum of any rank fails, and tells the others that this rank is alive.
func (g *Group) listen(s store) {
	defer s.close()
	if s.wait(failed) == nil {
		_ = s.answer(alive, g.rank) // fails without the store, and then nobody asks
	}
}

// Rank returns the number of this process, from 0 to Size − 1.
func (g *Group) Rank() int {
	if g == nil {
		return 0
	}
	return g.rank
}

// Size returns the number of processes.
func (g *Group) Size() int {
	if g == nil {
		return 1
	}
	return g.size
}

// LocalSize returns the number of processes that share this one's processors.
func (g *Group) LocalSize() int {
	if g == nil {
		return 1
	}
	return g.localSize
}

// LocalRank returns the number of this process among those of its machine, from 0.
func (g *Group) LocalRank() int {
	if g == nil {
		return 0
	}
	return g.localRank
}

// Sum replaces values, as many on each rank, by their sums over all ranks. All ranks get the same bits. If a rank is lost, the error names it.
func (g *Group) Sum(values []float32) error {
	if g == nil || len(values) == 0 {
		return nil
	}
	return g.check(func() error { return g.peers.sum(values) })
}

// Broadcast returns on every rank the content that rank 0 gives. If a rank is lost, the error names it.
func (g *Group) Broadcast(content []byte) ([]byte, error) {
	if g == nil {
		return content, nil
	}
	length := binary.LittleEndian.AppendUint64(nil, uint64(len(content)))
	if err := g.check(func() error { return g.peers.broadcast(length) }); err != nil {
		return nil, err
	}
	if g.rank > 0 {
		content = make([]byte, binary.LittleEndian.Uint64(length))
	}
	if len(content) == 0 {
		return content, nil
	}
	return content, g.check(func() error { return g.peers.broadcast(content) })
}

// Close closes the connections. Sums of other ranks fail from then on.
func (g *Group) Close() {
	if g == nil {
		return
	}
	g.peers.close()
	g.store.close()
	g.err = errors.New("the group of processes is closed")
}

// check runs an operation, unless an earlier one failed.
func (g *Group) check(operation func() error) error {
	if g.err != nil {
		return g.err
	}
	if err := operation(); err != nil {
		g.err = g.explain(err)
	}
	return g.err
}

// explain says why an operation failed. It takes up to a second and a half.
func (g *Group) explain(cause error) error {
	g.peers.close() // so that all ranks fail
	absent := make(chan []int, 1)
	err := within(answerTime+partingTime, func() error { // c10d itself waits without end for a store whose process is stopped
		ranks, err := g.callRoll()
		absent <- ranks
		return err
	})
	if err != nil {
		return fmt.Errorf("lost contact with %s", g.keeper())
	}
	g.linger()
	if ranks := <-absent; len(ranks) > 0 {
		return fmt.Errorf("lost contact with %s", g.names(ranks))
	}
	return fmt.Errorf("%d processes could not exchange their numbers: %w", g.size, cause)
}

// linger keeps the store, if this rank holds it, until the others have asked it who is lost.
func (g *Group) linger() {
	if g.rank == 0 && !g.agent {
		time.Sleep(partingTime)
	}
}

// callRoll returns the ranks that do not answer.
func (g *Group) callRoll() ([]int, error) {
	if err := g.store.set(failed); err != nil {
		return nil, err
	}
	return g.store.absent(alive, g.size, answerTime)
}

// within returns the error of an operation, or that the time is over. The operation goes on then.
func within(limit time.Duration, operation func() error) error {
	ctx, end := context.WithTimeout(context.Background(), limit)
	defer end()
	if err := wait.For(ctx, operation); err == nil || ctx.Err() == nil {
		return err
	}
	return errors.New("the time is over")
}

// keeper names who holds the store.
func (g *Group) keeper() string {
	who := "torchrun"
	if !g.agent {
		who = g.names([]int{0})
	}
	return fmt.Sprintf("%s (%s)", who, net.JoinHostPort(g.host, strconv.Itoa(g.port)))
}

// names names some ranks.
func (g *Group) names(ranks []int) string {
	const most = 8
	var list []string
	for _, rank := range ranks[:min(len(ranks), most)] {
		list = append(list, strconv.Itoa(rank))
	}
	if len(ranks) > most {
		list = append(list, "…")
	}
	word := "rank"
	if len(ranks) > 1 {
		word = "ranks"
	}
	return fmt.Sprintf("%s %s of %d", word, strings.Join(list, ", "), g.size)
}
