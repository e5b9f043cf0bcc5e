package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"hnn/internal/schedule"
)

// shard is the share of a call in the trainings: every count-th one, from number index on, which counts from 1. The zero value is all of them.
type shard struct{ index, count int }

// Set implements pflag.Value.
func (s *shard) Set(text string) error {
	index, count, _ := strings.Cut(text, "/")
	i, wrongIndex := strconv.Atoi(index)
	n, wrongCount := strconv.Atoi(count)
	if wrongIndex != nil || wrongCount != nil || i < 1 || i > n {
		return errors.New("must be i/n, such as 3/16, with i from 1 to n")
	}
	*s = shard{i, n}
	return nil
}

// String implements pflag.Value.
func (s *shard) String() string {
	if s.count == 0 {
		return ""
	}
	return fmt.Sprintf("%d/%d", s.index, s.count)
}

// Type implements pflag.Value.
func (s *shard) Type() string { return "i/n" }

// ofSlurm returns the shard of a task of Slurm's job arrays; that of a call that is none is all.
func ofSlurm() (s shard, err error) {
	const variable = "SLURM_ARRAY_TASK_ID"
	numbers := map[string]int{}
	for _, name := range []string{variable, "SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_MAX", "SLURM_ARRAY_TASK_STEP"} {
		text, set := os.LookupEnv(name)
		if !set {
			continue
		}
		if numbers[name], err = strconv.Atoi(text); err != nil {
			return s, fmt.Errorf("%s is %q; it must be a number, as Slurm sets it", name, text)
		}
	}
	id, set := numbers[variable]
	if !set {
		return s, nil
	}
	first, step := numbers["SLURM_ARRAY_TASK_MIN"], max(1, numbers["SLURM_ARRAY_TASK_STEP"])
	s = shard{(id-first)/step + 1, (numbers["SLURM_ARRAY_TASK_MAX"]-first)/step + 1}
	if s.index < 1 || s.index > s.count {
		return s, fmt.Errorf("%s is %d, and the tasks of the array are %d to %d; give -shard", variable, id, first, numbers["SLURM_ARRAY_TASK_MAX"])
	}
	return s, nil
}

// name returns the name of a file of the shard.
func (s shard) name(stem, extension string) string {
	if s.count > 0 {
		stem += fmt.Sprintf("-%d-of-%d", s.index, s.count)
	}
	return stem + extension
}

// part returns the jobs to run now: the shard's trainings that are not done, and the analyses whose trainings are done or run now, by whichever shard.
// It leaves out those that have ended in this call.
func (p *plan) part(s shard, ended []*schedule.Job) []*schedule.Job {
	var jobs []*schedule.Job
	number := 0
	for _, j := range p.jobs {
		if len(j.After) > 0 {
			continue
		}
		if mine := s.count == 0 || number%s.count == s.index-1; mine && !among(ended, j) {
			jobs = append(jobs, j)
		}
		number++
	}
	for _, j := range p.jobs {
		if len(j.After) > 0 && !among(ended, j) && !slices.ContainsFunc(j.After, func(t *schedule.Job) bool { return !t.Done && !slices.Contains(jobs, t) }) {
			jobs = append(jobs, j)
		}
	}
	if !slices.ContainsFunc(jobs, func(j *schedule.Job) bool { return !j.Done }) {
		return nil
	}
	return jobs
}

// left returns the number of jobs that are neither done nor ended in this call.
func (p *plan) left(ended []*schedule.Job) (count int) {
	for _, j := range p.jobs {
		if !j.Done && !among(ended, j) {
			count++
		}
	}
	return count
}

// among reports whether a list has a job, which may be one of an earlier plan.
func among(list []*schedule.Job, j *schedule.Job) bool {
	return slices.ContainsFunc(list, func(other *schedule.Job) bool { return other.Name == j.Name })
}
