package nets

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// EncodeSettings returns a value as JSON, for the attachment SettingsFile.
func EncodeSettings(value any) ([]byte, error) {
	content, err := json.MarshalIndent(value, "", "  ")
	return append(content, '\n'), err
}

// DecodeSettings reads what EncodeSettings wrote into a pointer to a value of the same type, and nothing else: a field that is missing, unknown or there
// twice could change what the others mean. An error names the field.
func DecodeSettings(content []byte, value any) error {
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.DisallowUnknownFields()
	var wrong *json.UnmarshalTypeError
	switch err := decoder.Decode(value); {
	case errors.As(err, &wrong):
		return fmt.Errorf("its settings: %s is a %s, which it cannot be", quoted(wrong.Field), wrong.Value)
	case err != nil:
		return fmt.Errorf("its settings: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	canonical, err := EncodeSettings(value)
	if err != nil || bytes.Equal(canonical, content) {
		return err
	}
	var have, want map[string]json.RawMessage
	if err := errors.Join(json.Unmarshal(canonical, &want), json.Unmarshal(content, &have)); err != nil {
		return fmt.Errorf("its settings: %w", err)
	}
	var missing []string
	for name := range want {
		if have[name] == nil {
			missing = append(missing, name)
		}
	}
	slices.Sort(missing)
	if missing != nil {
		return fmt.Errorf("its settings lack %s", strings.Join(missing[:min(3, len(missing))], ", "))
	}
	return errors.New("its settings are not written as ./train writes them")
}
