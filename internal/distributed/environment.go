package distributed

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// environment is what the variables of torchrun, of a PyTorchJob or of Slurm say.
type environment struct {
	rank, size           int
	localRank, localSize int
	host                 string // of the store
	port                 int
	agent                bool   // whether torchrun holds the store
	start                string // how often torchrun has started the ranks again
	interfaces           string
	timeout              time.Duration
}

// world reads the rank, its number on its machine, and the number of ranks. Slurm sets its variables in every job, so they count only if there is a
// MASTER_ADDR too.
func world(variable func(string) string) (rank, localRank, size string) {
	rank, localRank, size = variable("RANK"), variable("LOCAL_RANK"), variable("WORLD_SIZE")
	if rank == "" && size == "" && variable("MASTER_ADDR") != "" {
		rank, localRank, size = variable("SLURM_PROCID"), variable("SLURM_LOCALID"), variable("SLURM_NTASKS")
	}
	return rank, cmp.Or(localRank, "0"), size
}

// read returns the environment, whose size is 1 where there are not several ranks.
func read(variable func(string) string) (e environment, err error) {
	rank, localRank, size := world(variable)
	if rank == "" || size == "" {
		return environment{size: 1}, nil
	}
	const mostRanks, mostPort = 1 << 20, 1<<16 - 1
	number := func(name, text string, least, most int) int {
		n, failure := strconv.Atoi(text)
		if failure != nil || n < least || n > most {
			err = errors.Join(err, fmt.Errorf("%s is %.40q; it must be a whole number from %d to %d", name, text, least, most))
		}
		return n
	}
	e.size = number("WORLD_SIZE", size, 1, mostRanks)
	if err != nil || e.size == 1 {
		return e, err
	}
	e.rank = number("RANK", rank, 0, e.size-1)
	e.localRank = number("LOCAL_RANK", localRank, 0, e.size-1)
	e.localSize = number("LOCAL_WORLD_SIZE", cmp.Or(variable("LOCAL_WORLD_SIZE"), "1"), 1, e.size)
	e.port = number("MASTER_PORT", variable("MASTER_PORT"), 1, mostPort)
	if e.host = variable("MASTER_ADDR"); e.host == "" {
		err = errors.Join(err, errors.New("MASTER_ADDR is not set; it must name the machine of rank 0"))
	}
	e.agent = variable("TORCHELASTIC_USE_AGENT_STORE") == "True"
	e.start = cmp.Or(variable("TORCHELASTIC_RESTART_COUNT"), "0")
	e.interfaces = variable("GLOO_SOCKET_IFNAME")
	const least = 100 * time.Millisecond
	text := cmp.Or(variable("HNN_TIMEOUT"), "1m")
	var failure error
	if e.timeout, failure = time.ParseDuration(text); failure != nil || e.timeout < least {
		err = errors.Join(err, fmt.Errorf("HNN_TIMEOUT is %.40q; it must be a time of at least %v, such as 30s or 5m", text, least))
	}
	return e, err
}
