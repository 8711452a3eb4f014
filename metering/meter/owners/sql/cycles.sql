-- All cycles that usage may still come to; one closed before $1 is looked up when needed.
select id, service_id, starts_at, ends_at, coalesce(quota_bytes, 0), byte_basis, direction, thresholds
from cycle where status <> 'closed' or ends_at > $1 order by service_id, starts_at
