package writes

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/danielgtaylor/huma/v2"
)

// PrefixInput is a prefix of a new service: its text alone, or an object that also says where it is attached.
type PrefixInput struct {
	Prefix     string `json:"prefix"`
	Attachment string `json:"attachment,omitempty"` // name or id of an exporter
}

// UnmarshalJSON reads either form.
func (p *PrefixInput) UnmarshalJSON(text []byte) error {
	*p = PrefixInput{}
	if bytes.HasPrefix(bytes.TrimSpace(text), []byte(`"`)) {
		if err := json.Unmarshal(text, &p.Prefix); err != nil {
			return fmt.Errorf("read a prefix: %w", err)
		}
		return nil
	}
	type object PrefixInput // without this method
	if err := json.Unmarshal(text, (*object)(p)); err != nil {
		return fmt.Errorf("read a prefix with its attachment: %w", err)
	}
	return nil
}

// Schema describes both forms.
func (PrefixInput) Schema(huma.Registry) *huma.Schema {
	const example = "10.20.0.1/32"
	length := 200
	object := &huma.Schema{Type: huma.TypeObject, Required: []string{"prefix"}, AdditionalProperties: false, Properties: map[string]*huma.Schema{
		"prefix":     {Type: huma.TypeString, Description: "CIDR", Examples: []any{example}},
		"attachment": {Type: huma.TypeString, Description: "Name or id of the only exporter that counts its traffic; absent: each does", MaxLength: &length},
	}}
	object.PrecomputeMessages()
	return &huma.Schema{OneOf: []*huma.Schema{{Type: huma.TypeString, Description: "CIDR", Examples: []any{example}}, object}}
}
