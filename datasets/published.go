package datasets

import (
	_ "embed"
	"encoding/csv"
	"fmt"
	"strconv"
	"strings"
)

// Quantity is a mean squared error of a trained model. Its text is its name in reports.
type Quantity string

// The quantities of the paper's tables. Losses are those of the derivatives (for images, of the images and the latent derivatives). Both energies
// are those along a model's trajectories, beside the true ones: along the task's Trials or Film, and by the published notebook's own protocol, for
// the tasks where that is another one.
const (
	TrainLoss         Quantity = "train loss"
	TestLoss          Quantity = "test loss"
	EnergyMSE         Quantity = "energy MSE"
	NotebookEnergyMSE Quantity = "notebook energy MSE"
)

// Quantities lists all quantities in the order of a report.
var Quantities = []Quantity{TrainLoss, TestLoss, EnergyMSE, NotebookEnergyMSE}

// Scores are the quantities of one trained model. Those that are not known are missing.
type Scores map[Quantity]float64

// PublishedModel holds the published results of one model on one task. Paper is the authors' numbers in print (tables 1 and 2 of the paper), with
// more digits from their notebooks. Code is the scores of their code by seed. They are computed with -autograd, which equals their code in all
// five digits that it prints.
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
