-- $1 service, $2 hour.
select exporter_id, kind, reason, bytes_in_l2, bytes_out_l2, created_at, applied_at
from usage_correction where service_id = $1 and hour = $2 order by created_at, id limit 10000
