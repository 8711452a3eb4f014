-- All cycles that usage may still come to; one closed before $1 is looked up when needed. A closed one alerts nobody.
select id, service_id, starts_at, ends_at, case when status <> 'closed' then coalesce(quota_bytes, 0) else 0 end, byte_basis, direction, thresholds
from cycle where status <> 'closed' or ends_at > $1 order by service_id, starts_at
