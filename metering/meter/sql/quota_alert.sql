insert into quota_alert (service_id, cycle_id, threshold, quota_bytes, billable_bytes, crossed_at, event_id)
select f.service_id, f.cycle_id, f.threshold, f.quota_bytes, f.billable_bytes, $6, f.event_id
from unnest($1::uuid[], $2::uuid[], $3::smallint[], $4::bigint[], $5::bigint[], $7::uuid[])
    as f (service_id, cycle_id, threshold, quota_bytes, billable_bytes, event_id)
order by 1, 2, 3
on conflict do nothing returning event_id
