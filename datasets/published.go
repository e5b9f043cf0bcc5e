package datasets

import (
	_ "embed"
	"encoding/csv"
	"fmt"
	"strconv"
	"strings"
)

// Quantity names a mean squared error of a trained model, as reports print it.
type Quantity string

// The quantities of the paper's tables. The losses are those of the derivatives (for images, of the images and the latent derivatives). The energy
// MSEs compare the energy along a model's trajectories with the true one: EnergyMSE over the task's Trials or Film, and NotebookEnergyMSE by
// Task.Notebook.
const (
	TrainLoss         Quantity = "train loss"
	TestLoss          Quantity = "test loss"
	EnergyMSE         Quantity = "energy MSE"
	NotebookEnergyMSE Quantity = "notebook energy MSE"
)

// Quantities lists all quantities in the order of a report.
var Quantities = []Quantity{TrainLoss, TestLoss, EnergyMSE, NotebookEnergyMSE}

// Scores are the quantities of one trained model. It has no entry for an unknown one.
type Scores map[Quantity]float64

// PublishedModel holds the published results of one model on one task. Paper has the numbers of the paper's tables 1 and 2, with more digits from the
// authors' notebooks. Code has the scores of their code by seed. They come from training with -autograd, whose losses equal those of their code in
// all five digits that it prints.
type PublishedModel struct {
	Paper Scores
	Code  map[uint32]Scores
}

// publishedModels returns the published results of a task, given the paper's.
func publishedModels(task string, paper map[string]Scores) map[string]PublishedModel {
	models := map[string]PublishedModel{}
	for model, scores := range paper {
		models[model] = PublishedModel{Paper: scores, Code: publishedRuns[task+" "+model]}
	}
	return models
}

// publishedTable is the results.csv of `./reproduce -autograd -seeds 0-4`, with the columns task, model, quantity, seed and value.
//
//go:embed published.csv
var publishedTable string

// publishedRuns holds the scores of the published code, by "TASK MODEL" and seed.
var publishedRuns = readPublished(publishedTable)

func readPublished(table string) map[string]map[uint32]Scores {
	rows, err := csv.NewReader(strings.NewReader(table)).ReadAll()
	if err != nil {
		panic("datasets: published.csv: " + err.Error())
	}
	runs := map[string]map[uint32]Scores{}
	for i, row := range rows[1:] {
		seed, wrongSeed := strconv.ParseUint(row[3], 10, 32)
		value, wrongValue := strconv.ParseFloat(row[4], 64)
		if wrongSeed != nil || wrongValue != nil {
			panic(fmt.Sprintf("datasets: published.csv, line %d: a seed and a number are needed, not %q", i+2, row[3:]))
		}
		run := row[0] + " " + row[1]
		if runs[run] == nil {
			runs[run] = map[uint32]Scores{}
		}
		if runs[run][uint32(seed)] == nil {
			runs[run][uint32(seed)] = Scores{}
		}
		runs[run][uint32(seed)][Quantity(row[2])] = value
	}
	return runs
}
