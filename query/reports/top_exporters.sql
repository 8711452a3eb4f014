with used as (
    select h.exporter_id, count(distinct h.service_id) as services,
           sum(h.bytes_in_l2) as bytes_in_l2, sum(h.bytes_out_l2) as bytes_out_l2, sum(h.bytes_in_l3 + h.bytes_out_l3) as bytes_l3,
           sum(h.samples_in + h.samples_out) as samples, sum(sum(h.bytes_in_l2 + h.bytes_out_l2)) over () as everything
    from (select exporter_id, service_id, sum(bytes_in_l2) as bytes_in_l2, sum(bytes_out_l2) as bytes_out_l2,
                 sum(bytes_in_l3) as bytes_in_l3, sum(bytes_out_l3) as bytes_out_l3, sum(samples_in) as samples_in, sum(samples_out) as samples_out
          from usage_hourly
          where hour >= @from::timestamptz and hour < @to::timestamptz
          group by exporter_id, service_id) h
    group by h.exporter_id
), loss as (
    select exporter_id, sum(datagrams) as datagrams, greatest(sum(datagrams_lost), 0) as datagrams_lost, greatest(sum(samples_lost), 0) as samples_lost,
           greatest(sum(records_lost), 0) as records_lost, sum(bytes_unattributed_l2) as bytes_unattributed_l2
    from loss_hourly
    where hour >= @from and hour < @to
    group by exporter_id
), held as (
    select exporter_id, sum(samples) as samples
    from quarantine_open
    where hour >= @from and hour < @to
    group by exporter_id
)
select e.id::text as sort_key, e.id as exporter_id, e.name as exporter,
       coalesce(u.bytes_in_l2, 0)::bigint as bytes_in_l2, coalesce(u.bytes_out_l2, 0)::bigint as bytes_out_l2,
       coalesce(u.bytes_in_l2 + u.bytes_out_l2, 0)::bigint as bytes_l2, coalesce(u.bytes_l3, 0)::bigint as bytes_l3,
       round(100 * (u.bytes_in_l2 + u.bytes_out_l2) / nullif(u.everything, 0), 4)::float8 as share_percent,
       coalesce(u.services, 0)::bigint as services, coalesce(l.bytes_unattributed_l2, 0)::bigint as bytes_unattributed_l2,
       coalesce(u.samples, 0)::bigint as samples,
       case when u.samples > 0 then round(196 / sqrt(u.samples), 6)::float8
            when u.bytes_in_l2 + u.bytes_out_l2 > 0 then 0 end as error_bound_percent,
       coalesce(l.datagrams, 0)::bigint as datagrams, coalesce(l.datagrams_lost, 0)::bigint as datagrams_lost,
       coalesce(l.samples_lost, 0)::bigint as samples_lost, coalesce(l.records_lost, 0)::bigint as records_lost,
       coalesce(q.samples, 0)::bigint as samples_quarantined
from exporter e
left join used u on u.exporter_id = e.id
left join loss l on l.exporter_id = e.id
left join held q on q.exporter_id = e.id
where (u.exporter_id is not null or l.exporter_id is not null or q.exporter_id is not null)
  and (@exporter::uuid is null or e.id = @exporter)
