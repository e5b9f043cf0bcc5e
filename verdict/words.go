package verdict

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
	"strings"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/stat"

	"hnn/fit"
	"hnn/hamiltonian"
)

// number writes three digits of a number.
func number(v float64) string {
	mantissa, exponent, scientific := strings.Cut(strconv.FormatFloat(v, 'g', 3, 64), "e")
	if scientific {
		power, _ := strconv.Atoi(exponent) // FormatFloat's
		if mantissa += fmt.Sprintf("e%d", power); power > 0 && power < 6 {
			mantissa = strconv.FormatFloat(v, 'f', 0, 64)
		}
	}
	return strings.ReplaceAll(mantissa, "-", "−")
}

func percent(share float64) string { return number(math.Round(1e5*share)/1e3) + "%" }

func join(list []string) string {
	if len(list) < 2 {
		return strings.Join(list, "")
	}
	return strings.Join(list[:len(list)-1], ", ") + " and " + list[len(list)-1]
}

func plural(count int, noun string) string {
	switch {
	case count == 1:
		return "1 " + noun
	case strings.HasSuffix(noun, "y"):
		return fmt.Sprint(count, " ", strings.TrimSuffix(noun, "y"), "ies")
	}
	return fmt.Sprint(count, " ", noun, "s")
}

// of writes a value with the unit of the names, as fit.Unit composes it.
func of(v float64, above []string, below ...string) string {
	return strings.TrimSpace(number(v) + " " + fit.Unit(above, below...))
}

// time writes a time with its unit.
func (s *study) time(t float64) string { return of(t, []string{s.train.TimeName}) }

func (s *study) perTime(rate float64) string {
	return number(rate) + " per " + cmp.Or(s.Data.TimeUnit, "unit of time")
}

func (s *study) aboutData() Section {
	d, p := s.Data, Section{Title: "What the data are"}
	p.say("", plural(d.Rows, "row"), "%s to train the models, %s to test them.", plural(d.Train, "trajectory"), plural(d.Test, "trajectory"))
	how := "from crossings of the mean"
	if !d.Crossings {
		how = "a guess from the speeds, for no trajectory shows a whole period"
	}
	lasts := s.time(d.Duration)
	if d.Shortest < d.Longest {
		lasts = fmt.Sprintf("%s to %s", number(d.Shortest), s.time(d.Longest))
	}
	p.say("", fmt.Sprintf("%s periods of %s, %s", number(d.Periods), s.time(d.Period), how), "A trajectory lasts %s.", lasts)
	p.say("", number(d.RowsPerPeriod)+" rows per period", "The rows are %s apart.", s.time(d.Step))
	var names, noise []string
	largest := 0.0
	for _, c := range d.Components {
		names = append(names, c.Name)
		noise = append(noise, fmt.Sprintf("%s: %s (%s)", c.Name, of(c.Noise, []string{c.Name}), percent(c.Noise/c.Deviation)))
		largest = max(largest, c.Noise/c.Deviation)
	}
	p.say("", "time: "+s.train.TimeName, "A state holds %s.", join(names))
	if s.train.Inputs != nil {
		p.say("", "", "Given as input: %s.", join(s.train.Inputs))
	}
	if s.train.Constants != nil {
		p.say("", "", "Given as constant of a trajectory: %s.", join(s.train.Constants))
	}
	text := fmt.Sprintf("The noise is at most %s of a standard deviation.", percent(largest))
	if largest < 1e-4 {
		text = "There is hardly any noise."
	}
	if !s.train.Measured {
		text += " The momenta are estimated, and their noise follows from that of the positions."
	}
	p.say("", strings.Join(noise, "; "), "%s", text)
	for _, note := range s.train.Notes {
		p.say("", "", "The table: %s.", strings.TrimSuffix(note, "."))
	}
	return p
}

func (s *study) aboutEnergy() Section {
	p, e := Section{Title: "Is something conserved?"}, s.Energy
	if e == nil {
		p.say("no port", "", "This page cannot tell: it needs a port model that predicts the data.")
		return p
	}
	validation := fmt.Sprintf("validation error %s without friction, %s with it", number(e.Without), number(e.With))
	if e.Without == 0 {
		validation = "the validation compared no other form"
	}
	loss := percent(e.LossPerPeriod) + " per period"
	if e.LossError > 0 {
		loss += fmt.Sprintf(", ± %s (standard error)", percent(e.LossError*s.period*(1-e.LossPerPeriod)))
	}
	friction := e.Friction != string(hamiltonian.NoFriction)
	switch {
	case e.Class == "conserved":
		p.say(e.Class, validation, "The port model conserves its energy. It needed no friction.")
	case e.Class == "untested":
		p.say(e.Class, validation, "This page cannot tell: the port model was trained without friction.")
	case !friction:
		p.say(e.Class, validation, "It is unclear: the port model needed no friction, but the measured states do not confirm that well.")
	case e.Class == "lost":
		p.say(e.Class, loss, "The system loses energy.")
		p.say("", validation, "The port model has friction.")
	default:
		p.say(e.Class, validation, "It is unclear: the port model has friction, but the measured states do not confirm that well.")
		p.say("", loss, "If the model is right, the system loses this part of its energy.")
	}
	if friction {
		numbers := fmt.Sprintf("momenta decay at %s, varying by %s over the data", s.perTime(e.FrictionRate), number(e.FrictionSpread))
		text := "The friction of the model has the same rate everywhere."
		if e.FrictionSpread > 0.05*math.Abs(e.FrictionRate) {
			text = "The friction of the model depends on the state."
		}
		p.say("", numbers, "%s", text)
	}
	if e.Matrix != nil {
		p.say("", s.matrix(), "The friction reduces dp/dt by R·∂H/∂p.")
	}
	if e.MeasuredBand > 0 {
		kept := math.Exp(-e.Measured * s.period)
		text := "falls"
		switch {
		case math.Abs(e.Measured) <= e.MeasuredBand:
			text = "shows no trend beyond its spread"
		case e.Measured < 0:
			text = "rises"
		}
		p.say("", fmt.Sprintf("falls by %s per period, ± %s (95%%)", percent(1-kept), percent(e.MeasuredBand*s.period*kept)), "Along the measured states, this energy %s.", text)
	}
	for _, c := range s.models {
		if c.Name == hamiltonian.Baseline.Name {
			p.say("", fmt.Sprintf("−div f/n = %s, varying by %s over the data", s.perTime(c.Rate), number(c.RateSpread)),
				"The baseline knows no energy. This is the rate at which it shrinks volumes of phase space.")
			break
		}
	}
	if e.Driven {
		unit := []string{s.name(0), s.name(s.train.Positions)}
		p.say("", fmt.Sprintf("stored %s = supplied %s − dissipated %s", number(e.Stored), number(e.Supplied), of(e.Dissipated, unit, s.train.TimeName)),
			"The port model balances its energy over the test trajectory in the pictures.")
	}
	return p
}

// matrix writes R with its standard errors.
func (s *study) matrix() string {
	var entries []string
	for i, row := range s.Energy.Matrix {
		for j := range row[:i+1] {
			name, error := "R", ""
			if len(row) > 1 {
				name += fmt.Sprint(j+1, ",", i+1)
			}
			if s.Energy.MatrixErrors != nil {
				error = " ± " + number(s.Energy.MatrixErrors[i][j])
			}
			entries = append(entries, fmt.Sprintf("%s = %s%s %s", name, number(row[j]), error, fit.Unit([]string{s.name(len(row) + i)}, s.name(j))))
		}
	}
	return strings.Join(entries, "; ")
}

func (s *study) aboutModels() Section {
	p, best := Section{Title: "Which model predicts best, and for how long?"}, s.models[0]
	found := fmt.Sprintf("error %s ± %s standard deviations, over %s", number(best.Error), number(best.StandardError), plural(len(s.starts), "start"))
	switch {
	case len(s.models) == 1:
		p.say("only one", found, "There is one model, %s, so nothing is compared.", label(best))
	case s.single():
		p.say("undecided", found, "One test trajectory cannot tell models apart. Over parts of half its rows, %s has the smallest error.", label(best))
	default:
		p.say("best", found, "The smallest error is that of %s.", label(best))
	}
	for _, c := range s.models[1:] {
		numbers := fmt.Sprintf("error %s, paired: %s times that of %s", number(c.Error), number(c.Ratio), label(best))
		if !s.single() {
			numbers += fmt.Sprintf(" (95%%: %s to %s)", number(c.RatioLow), number(c.RatioHigh))
		}
		text := map[string]string{
			"undecided": "The error of %s is larger here. The evidence is too weak to call the model worse.",
			"as good":   "The model %s is as good: the difference is less than a twentieth.",
			"worse":     "The model %s predicts worse, by more than the spread over the test trajectories.",
		}[c.Class]
		switch {
		case s.single() && c.Ratio < 1.05:
			text = "There, the error of %s is about the same."
		case s.single():
			text = "There, the error of %s is larger."
		case c.Class == "as good" && c.RatioLow <= 1:
			text = "The model %s is as good: the difference is within the spread over the test trajectories."
		}
		p.say(c.Name+" "+c.Class, numbers, text, label(c))
	}
	if len(s.starts) < 4 && !s.single() {
		p.say("few tests", plural(len(s.starts), "test trajectory"), "So few test trajectories show only large differences.")
	}
	texts := []string{"From most starts, the predictions of %s are valid to the end.", "The predictions of %s are valid for some time.",
		"The predictions of %s are invalid from the first rows on."}
	names, numbers := make([][]string, len(texts)), make([][]string, len(texts))
	for _, c := range s.models {
		i := 1
		if c.ValidToTheEnd > 0.5 {
			i = 0
		} else if c.Valid == 0 {
			i = 2
		}
		names[i] = append(names[i], label(c))
		numbers[i] = append(numbers[i], fmt.Sprintf("%s: %s or %s periods (median), %s to the end", label(c), s.time(c.Valid),
			number(c.Valid/s.period), percent(c.ValidToTheEnd)))
	}
	for i, text := range texts {
		if names[i] != nil {
			p.say("", strings.Join(numbers[i], "; "), text, join(names[i]))
		}
	}
	return p
}

func (s *study) aboutNoise() Section {
	n, p := s.Noise, Section{Title: "What the noise allows"}
	p.say("", fmt.Sprintf("%s from the start, %s together with the noise of the rows", number(n.Start), number(n.Both)),
		"A perfect model would still have an error, for it begins at a noisy start (%d draws of each).", n.Draws)
	ratio := fmt.Sprintf("error found %s, which is %s times as large", number(n.Found), number(n.Found/max(n.Both, 1e-12)))
	switch {
	case n.Both < 1e-4:
		p.say("no noise", number(n.Found), "The data have hardly any noise, so the whole error is the model's.")
	case n.Found <= 1.5*n.Both:
		p.say("noise limits", ratio, "The noise explains the error of %s. Better training cannot reduce it much.", label(s.models[0]))
	default:
		p.say("model limits", ratio, "The noise does not explain the error of %s. The rest comes from the model or from forces that it does not know.", label(s.models[0]))
	}
	return p
}

func (s *study) aboutCoverage() Section {
	c, p := s.Coverage, Section{Title: "Where data are missing"}
	if c.Limit == 0 {
		p.say("no coverage", "", "This page cannot tell: the training data are too short to compare parts of them.")
		return p
	}
	long := ""
	if len(s.train.Inputs) == 0 {
		long = " three times as long"
	}
	shares := fmt.Sprintf("%s of the test states, %s of those predicted%s; far is beyond %s standard deviations", percent(c.Test), percent(c.Predicted), long, number(c.Limit))
	switch {
	case c.Test > 0.05:
		p.say("far", shares, "Some test states are far from all training states. Predictions there are guesses.")
	case c.Predicted > 0.05:
		p.say("far later", shares, "The test states are near training states, but predictions reach states that are far from all of them.")
	default:
		p.say("near", shares, "Nearly all states are near training states.")
	}
	for _, o := range c.Outside {
		if o.Share >= 0.001 {
			p.say("outside", fmt.Sprintf("%s of the test states and predicted ones, up to %s", percent(o.Share), number(o.Reach)), "There are no training data for %s.", o)
		}
	}
	return p
}

func (s *study) advice() Section {
	p, d, best := Section{Title: "What to do next"}, s.Data, s.models[0]
	if r := s.Residuals; r != nil {
		numbers := fmt.Sprintf("autocorrelations %s and %s at lags 1 and 2, band ± %s of %d steps; %s of the variance, %s of a step's change; neighbouring states do not share %s of it",
			number(r.Lag1), number(r.Lag2), number(r.Band), r.Steps, percent(r.Share), percent(r.Strength), percent(r.Fresh))
		found := fmt.Sprintf("The one-step residuals of %s in %s are autocorrelated far above noise", r.Model, r.Component)
		switch r.Class {
		case "missing input":
			p.say(r.Class, numbers, "Look for an input, or a constant of each trajectory, that is not in the table. %s, and they differ where states are alike.", found)
		case "misfit":
			p.say(r.Class, numbers, "Train longer or with a larger network. %s, and they are alike where states are alike.", found)
		case "missing input or misfit":
			p.say(r.Class, numbers, "Look for a missing input, or train longer. %s. Too few states are alike to tell which of the two it is.", found)
		}
	}
	if d.RowsPerPeriod < fewPerPeriod {
		p.say("smaller steps", number(d.RowsPerPeriod)+" rows per period", "Measure with smaller steps: at least %d rows per period.", fewPerPeriod)
	}
	if d.Periods < fewPeriods {
		p.say("longer", number(d.Periods)+" periods", "Measure longer trajectories: at least %d periods.", fewPeriods)
	}
	spread := 0.0
	if len(s.test.Trajectories) > 1 {
		spread = floats.Max(best.Errors) / max(stat.Mean(best.Errors, nil), 1e-12)
	}
	switch {
	case d.Train < fewStarts:
		p.say("more starts", plural(d.Train, "training trajectory"), "Measure more trajectories, from other starts: at least %d.", fewStarts)
	case spread > 3 && floats.Max(best.Errors) > tolerated:
		p.say("more starts", fmt.Sprintf("the largest error is %s times the mean", number(spread)), "Measure more starts near the test trajectories with the largest errors.")
	}
	var sides, shares []string
	for _, o := range s.Coverage.Outside {
		if o.Share > 0.05 {
			sides, shares = append(sides, o.String()), append(shares, percent(o.Share))
		}
	}
	if sides != nil {
		p.say("more range", join(shares)+" of the states", "Measure states with %s.", join(sides))
	}
	if len(s.test.Trajectories) < 4 {
		p.say("more tests", plural(d.Test, "test trajectory"), "Keep more test trajectories: at least 4 to compare models.")
	}
	if s.Noise.Both > tolerated/2 && s.Noise.Found <= 1.5*s.Noise.Both {
		p.say("less noise", fmt.Sprintf("%s of the error of %s", number(s.Noise.Both), number(s.Noise.Found)), "Reduce the noise of the measurements: it limits the predictions.")
	}
	if p.Sentences == nil {
		p.say("nothing", "", "No rule asks for other data.")
	}
	return p
}
