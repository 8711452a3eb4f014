select json_build_object('id', s.id, 'name', s.name) as service, q.cycle_id, q.threshold, q.quota_bytes, q.billable_bytes, q.crossed_at
from quota_alert q
join service s on s.id = q.service_id
where q.service_id = any($1::uuid[]) and q.crossed_at >= $2
order by q.crossed_at, q.service_id, q.threshold
