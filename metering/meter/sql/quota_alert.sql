-- A threshold that was passed before this flush is told only if it never was in this cycle, at whatever quota.
insert into quota_alert (service_id, cycle_id, threshold, quota_bytes, billable_bytes, crossed_at, event_id)
select f.service_id, f.cycle_id, f.threshold, f.quota_bytes, f.billable_bytes, $6, f.event_id
from unnest($1::uuid[], $2::uuid[], $3::smallint[], $4::bigint[], $5::bigint[], $7::uuid[], $8::boolean[])
    as f (service_id, cycle_id, threshold, quota_bytes, billable_bytes, event_id, crossed)
where f.crossed or not exists (select from quota_alert q where q.service_id = f.service_id and q.cycle_id = f.cycle_id and q.threshold = f.threshold)
order by 1, 2, 3
on conflict do nothing returning event_id
