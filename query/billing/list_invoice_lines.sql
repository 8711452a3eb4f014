select kind, description, trim_scale(quantity)::text as quantity, unit_bytes, trim_scale(unit_price)::text as unit_price,
       amount_minor, evidence
from invoice_line
where invoice_id = $1
order by position
