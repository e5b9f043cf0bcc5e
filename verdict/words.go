package verdict

import (
	"cmp"
	"fmt"
	"math"
	"strings"

	"gonum.org/v1/gonum/floats"

	"hnn/fit"
	"hnn/hamiltonian"
)

// number writes three digits of a number.
func number(v float64) string {
	text := fmt.Sprintf("%.3g", v)
	if size := math.Abs(v); size >= 1000 && size < 1e6 {
		text = fmt.Sprintf("%.0f", v)
	}
	return strings.NewReplacer("e-0", "e−", "e+0", "e", "e+", "e", "-", "−").Replace(text)
}

func percent(share float64) string { return number(math.Round(1e5*share)/1e3) + "%" }

func join(list []string) string {
	if len(list) < 2 {
		return strings.Join(list, "")
	}
	return strings.Join(list[:len(list)-1], ", ") + " and " + list[len(list)-1]
}

// of writes a value with the unit of the names, as fit.Unit composes it.
func of(v float64, above []string, below ...string) string {
	return strings.TrimSpace(number(v) + " " + fit.Unit(above, below...))
}

func (s *study) timeUnit() string { return cmp.Or(s.Data.TimeUnit, "units of time") }

func (s *study) time(t float64) string { return number(t) + " " + s.timeUnit() }

func (s *study) perTime(rate float64) string {
	return number(rate) + " per " + cmp.Or(s.Data.TimeUnit, "unit of time")
}

// say adds a sentence.
func (s *Section) say(class, number, text string, values ...any) {
	s.sayIf(true, class, number, text, values...)
}

func (s *Section) sayIf(condition bool, class, number, text string, values ...any) {
	if condition {
		s.Sentences = append(s.Sentences, Sentence{Text: fmt.Sprintf(text, values...), Number: number, Class: class})
	}
}

func (s *study) aboutData() Section {
	d, p := s.Data, Section{Title: "What the data are"}
	rows, lasts, how := fmt.Sprint(d.Rows, " rows"), s.time(d.Duration), "from crossings of the mean"
	if d.Shortest < d.Longest {
		lasts = number(d.Shortest) + " to " + s.time(d.Longest)
	}
	if !d.Crossings {
		how = "the longest duration, because no trajectory shows a whole period"
	}
	parts := d.Train == 1 && s.single() && s.train.Trajectories[0].Label == s.test.Trajectories[0].Label
	p.sayIf(parts, "", rows, "The first part of the trajectory trains the models, and the last part tests them.")
	p.sayIf(!parts, "", rows, "Trajectories: %d to train the models, %d to test them.", d.Train, d.Test)
	p.say("", fmt.Sprintf("%s periods of %s, %s", number(d.Periods), s.time(d.Period), how), "%s lasts %s.",
		map[bool]string{true: "A part", false: "A trajectory"}[parts], lasts)
	p.say("", number(d.RowsPerPeriod)+" rows per period", "The median step between rows is %s.", s.time(d.Step))
	longest := "the longest step is " + s.time(d.LongestStep)
	p.sayIf(d.Gaps > 0 && d.Regular, "gaps", longest, "Rows are missing in %d places.", d.Gaps)
	p.sayIf(d.Gaps > 0 && !d.Regular, "irregular", longest, "The steps between rows vary.")
	var names, noise []string
	largest := 0.0
	for _, c := range d.Components {
		names = append(names, c.Name)
		noise = append(noise, fmt.Sprintf("%s: %s (%s)", c.Name, of(c.Noise, []string{c.Name}), percent(c.Noise/c.Deviation)))
		largest = max(largest, c.Noise/c.Deviation)
	}
	p.say("", "time: "+s.train.TimeName, "A state has the components %s.", join(names))
	p.sayIf(s.train.Inputs != nil, "", strings.Join(s.train.Inputs, ", "), "Inputs drive the system.")
	p.sayIf(s.train.Constants != nil, "", strings.Join(s.train.Constants, ", "), "Each trajectory has constants of its own.")
	p.sayIf(largest < 1e-4, "", strings.Join(noise, "; "), "The data have hardly any noise.")
	p.sayIf(largest >= 1e-4, "", strings.Join(noise, "; "), "The noise of each component is at most %s of its standard deviation.", percent(largest))
	for _, note := range s.train.Notes {
		p.say("", note, "The program made an assumption about the table.")
	}
	return p
}

func (s *study) aboutEnergy() Section {
	p, e := Section{Title: "Is something conserved?"}, s.Energy
	if e == nil {
		p.say("no port", "", "This page cannot tell: no port model predicts the data.")
		return p
	}
	friction, compared := e.Friction != string(hamiltonian.NoFriction), e.With > 0
	validation := fmt.Sprintf("validation error %s without friction, %s with it", number(e.Without), number(e.With))
	loss := percent(e.LossPerPeriod) + " per period"
	if e.LossError > 0 {
		loss += fmt.Sprintf(", ± %s (standard error)", percent(e.LossError*s.period*(1-e.LossPerPeriod)))
	}
	conserved, lost := "The port model conserves its energy, and the data agree.", "The system loses energy."
	if e.Driven {
		conserved, lost = "Only the inputs change the port model's energy, and the data agree.", "Friction takes energy from the system."
	}
	p.say(e.Class, map[bool]string{true: loss}[e.Class == "lost"], "%s", map[string]string{
		"conserved": conserved,
		"lost":      lost,
		"unclear":   "This is unclear: the data do not confirm the port model.",
		"untested":  "This page cannot tell: the port model was not compared with and without friction.",
	}[e.Class])
	p.sayIf(friction && e.Class != "lost", "", loss, "If the port model is right, the system loses energy.")
	improves := map[bool]string{true: "improves", false: "does not improve"}[e.With < fit.FrictionGain*e.Without]
	p.sayIf(compared, "", validation, "Friction %s the port model's predictions of unseen rows.", improves)
	rate, same := fmt.Sprintf("momenta decay at %s, varying by %s over the data", s.perTime(e.FrictionRate), number(e.FrictionSpread)), "has the same rate everywhere"
	switch {
	case e.FrictionSpread > 0.05*math.Abs(e.FrictionRate):
		same = "depends on the state"
	case e.Friction == string(hamiltonian.ConstantFriction):
		rate, same = fmt.Sprintf("momenta decay at %s; ./train -friction state lets this rate vary", s.perTime(e.FrictionRate)), "has the same rate everywhere, by assumption"
	}
	p.sayIf(friction, "", rate, "The model's friction %s.", same)
	p.sayIf(e.Matrix != nil, "", s.matrix(), "Friction reduces dp/dt by R·∂H/∂p.")
	kept := math.Exp(-e.Measured * s.period)
	trend := "falls"
	if math.Abs(e.Measured) <= e.MeasuredBand {
		trend = "shows no trend beyond its spread"
	} else if e.Class == "conserved" {
		trend = "hardly changes"
	} else if e.Measured < 0 {
		trend = "rises"
	}
	p.sayIf(e.MeasuredBand > 0, "", fmt.Sprintf("a change of %s per period, ± %s (95%%)", percent(kept-1), percent(e.MeasuredBand*s.period*kept)),
		"Along the measured states, this energy %s.", trend)
	for _, c := range s.models {
		volume := "nearly preserves"
		if change := c.Rate * s.period; math.Abs(change) > 0.05 {
			volume = map[bool]string{true: "shrinks", false: "expands"}[change > 0]
		}
		p.sayIf(c.Name == hamiltonian.Baseline.Name, "", fmt.Sprintf("−div f/n = %s, varying by %s over the data", s.perTime(c.Rate), number(c.RateSpread)),
			"The baseline knows no energy. On average, it %s volumes of phase space.", volume)
	}
	p.sayIf(e.Driven, "", fmt.Sprintf("stored %s = supplied %s − dissipated %s", number(e.Stored), number(e.Supplied),
		of(e.Dissipated, []string{s.name(0), s.name(s.train.Positions)}, s.train.TimeName)), "Over the trajectory in the pictures, the port model stores what the inputs supply minus what friction takes.")
	return p
}

// matrix writes R with its standard errors.
func (s *study) matrix() string {
	var entries []string
	for i, row := range s.Energy.Matrix {
		for j := range row[:i+1] {
			name, value := "R", number(row[j])
			if len(row) > 1 {
				name += fmt.Sprint(j+1, ",", i+1)
			}
			if s.Energy.MatrixErrors != nil {
				value += " ± " + number(s.Energy.MatrixErrors[i][j])
			}
			entries = append(entries, strings.TrimSpace(fmt.Sprint(name, " = ", value, " ", fit.Unit([]string{s.name(len(row) + i)}, s.name(j)))))
		}
	}
	return strings.Join(entries, "; ")
}

func (s *study) aboutModels() Section {
	p, best, single := Section{Title: "Which model predicts best, and for how long?"}, s.models[0], s.single()
	found := fmt.Sprintf("error %s ± %s standard deviations; starts: %d", number(best.Error), number(best.StandardError), len(s.starts))
	p.sayIf(len(s.models) == 1, "only one", found, "There is only one model, %s, and no comparison.", best)
	p.sayIf(len(s.models) > 1 && single, "undecided", found,
		"One test trajectory cannot tell models apart. Over parts that each have half of its rows, %s has the smallest error.", best)
	p.sayIf(len(s.models) > 1 && !single, "best", found, "The model %s has the smallest error.", best)
	for _, c := range s.models[1:] {
		numbers := fmt.Sprintf("error %s, paired: %s times that of %s", number(c.Error), number(c.Ratio), best)
		if !single {
			numbers += fmt.Sprintf(" (95%%: %s to %s)", number(c.RatioLow), number(c.RatioHigh))
		}
		text := map[string]string{
			"undecided": "The error of %s is larger here, but too few trajectories show it to call the model worse.",
			"as good":   "The model %s may be as good: the difference is within the spread over the test trajectories.",
			"hidden":    "The noise hides whether %s predicts better or worse: it explains the errors of both.",
			"worse":     "The model %s predicts worse, by more than the spread over the test trajectories.",
		}[c.Class]
		switch {
		case single && c.Ratio < 1.05:
			text = "There, the error of %s is about the same."
		case single:
			text = "There, the error of %s is larger."
		case c.Class == "as good" && c.RatioLow > 1:
			text = "The model %s is as good: the difference is less than a twentieth."
		}
		p.say(c.Name+" "+c.Class, numbers, text, c)
	}
	texts := []string{"The predictions of %s are valid to the end from most starts.", "The predictions of %s become invalid before the end.",
		"The predictions of %s are invalid from the first rows on."}
	names, times := make([][]string, len(texts)), make([][]string, len(texts))
	for _, c := range s.models {
		i := 1
		if c.ValidToTheEnd > 0.5 {
			i = 0
		} else if c.Valid == 0 {
			i = 2
		}
		names[i] = append(names[i], c.String())
		times[i] = append(times[i], fmt.Sprintf("%s %s (%s)", c, number(c.Valid), percent(c.ValidToTheEnd)))
	}
	for i, text := range texts {
		p.sayIf(names[i] != nil, "", fmt.Sprintf("median in %s (starts that reach the end): %s", s.timeUnit(), strings.Join(times[i], ", ")), text, join(names[i]))
	}
	return p
}

func (s *study) aboutNoise() Section {
	n, p, best := s.Noise, Section{Title: "What the noise allows"}, s.models[0].String()
	ratio := n.Found / max(n.Explained, 1e-12)
	found := fmt.Sprintf("error found %s, which is %s times as large", number(n.Found), number(ratio))
	none, explains := n.Explained < smallest, ratio <= noisy
	p.sayIf(none, "no noise", "error found "+number(n.Found), "The data have hardly any noise, so the whole error is the model's.")
	p.sayIf(!none, "", "error "+number(n.Explained), "A perfect model would still have an error, because the measured rows are noisy.")
	p.sayIf(!none && explains, "noise limits", found, "The noise of the measured rows explains the error of %s. Better training cannot reduce it much.", best)
	p.sayIf(!none && !explains, "model limits", found,
		"The noise does not explain the error of %s. The rest comes from the model, or from forces that the model does not know.", best)
	return p
}

func (s *study) aboutCoverage() Section {
	c, p := s.Coverage, Section{Title: "Where data are missing"}
	if c.Limit == 0 {
		p.say("no coverage", "", "This page cannot tell: the training data are too short to compare their parts.")
		return p
	}
	const much = 0.05
	long := map[bool]string{true: " three times as long"}[s.train.Inputs == nil]
	shares := fmt.Sprintf("%s of the test states, %s of those predicted%s; far means more than %s standard deviations away", percent(c.Test), percent(c.Predicted), long, number(c.Limit))
	p.sayIf(c.Test > much, "far", shares, "Some test states are far from all training states. The models extrapolate there.")
	p.sayIf(c.Test <= much && c.Predicted > much, "far later", shares,
		"The test states are near training states, but predictions reach states that are far from all training states.")
	p.sayIf(c.Test <= much && c.Predicted <= much, "near", shares, "Nearly all states are near training states.")
	sides, outside := c.sides(0.001)
	p.sayIf(sides != nil, "outside", join(outside)+" of the test and predicted states", "There are no training data for %s.", join(sides))
	return p
}

// sides writes the sides of the data's box beyond which more than a share of the states lie, and these shares.
func (c Coverage) sides(least float64) (sides, shares []string) {
	for _, o := range c.Outside {
		if o.Share > least {
			side := map[bool]string{true: "above", false: "below"}[o.Above]
			sides, shares = append(sides, fmt.Sprint(o.Name, " ", side, " ", number(o.Limit))), append(shares, percent(o.Share))
		}
	}
	return sides, shares
}

func (s *study) advice() Section {
	p, d, best, single := Section{Title: "What to do next"}, s.Data, s.models[0], s.single()
	if r := s.Residuals; r != nil {
		text, found := map[string]string{
			"missing input":           "Look for an input, or a constant of each trajectory, that is not in the table. %s differ between similar states.",
			"misfit":                  "Train longer or with a larger network. %s are alike where states are alike.",
			"missing input or misfit": "Train longer, or look for a missing input. %s are autocorrelated; too few states are alike to tell why.",
		}[r.Class]
		p.sayIf(found, r.Class, fmt.Sprintf("autocorrelations %s and %s at lags 1 and 2, band ± %s of %d steps; "+
			"the autocorrelated part is %s as large as the change in a step; similar states explain %s (± %s) of its variance, and lack %s of it because they are not near enough",
			number(r.Lag1), number(r.Lag2), number(r.Band), r.Steps, percent(r.Strength), percent(1-r.Fresh), percent(r.FreshBand), percent(r.Unresolved)),
			text, fmt.Sprintf("The one-step residuals of %s in %s", r.Model, r.Component))
	}
	p.sayIf(d.RowsPerPeriod < fewPerPeriod, "smaller steps", number(d.RowsPerPeriod)+" rows per period", "Measure with smaller steps: at least %d rows per period.", fewPerPeriod)
	p.sayIf(d.Periods < fewPeriods, "longer", number(d.Periods)+" periods", "Measure longer trajectories: at least %d periods.", fewPeriods)
	largest := floats.Max(best.Errors)
	p.sayIf(d.Train < fewStarts, "more starts", fmt.Sprint("training trajectories: ", d.Train), "Measure more trajectories, from other starts: at least %d.", fewStarts)
	p.sayIf(d.Train >= fewStarts && !single && largest > max(tolerated, 3*best.Error), "more starts",
		fmt.Sprintf("the largest error is %s times the mean", number(largest/best.Error)), "Measure more starts near the test trajectories with the largest errors.")
	sides, shares := s.Coverage.sides(0.05)
	p.sayIf(sides != nil, "more range", join(shares)+" of the states", "Measure states that have %s.", join(sides))
	tests, enough := fmt.Sprint("test trajectories: ", d.Test), d.Test >= 4
	var hidden []string
	for _, c := range s.models {
		if c.Class == "undecided" && !single {
			tests, enough = fmt.Sprint(tests, "; undecided: ", c), false
		}
		if c.Class == "hidden" {
			hidden = append(hidden, c.String())
		}
	}
	p.sayIf(!enough, "more tests", tests, "Hold out more test trajectories (-test-fraction): too few compare the models.")
	p.sayIf(hidden != nil, "tell apart", "hidden by noise: "+join(hidden), "To tell the models apart, measure longer trajectories, or reduce the noise.")
	p.sayIf(s.Noise.Explained > tolerated/2 && s.Noise.Found <= noisy*s.Noise.Explained, "less noise", fmt.Sprintf("%s of the error of %s", number(s.Noise.Explained), number(s.Noise.Found)),
		"Reduce the noise of the measurements: it limits the predictions.")
	p.sayIf(p.Sentences == nil, "nothing", "", "No rule asks for more or other data.")
	return p
}
