-- What the minutes of [$1, $2) must add up to, by service and hour; nothing where all of it came late.
select h.service_id, h.hour,
    (h.bytes_in_l2 - coalesce(l.bytes_in_l2, 0))::bigint, (h.bytes_out_l2 - coalesce(l.bytes_out_l2, 0))::bigint,
    (h.bytes_in_l3 - coalesce(l.bytes_in_l3, 0))::bigint, (h.bytes_out_l3 - coalesce(l.bytes_out_l3, 0))::bigint,
    (h.packets_in - coalesce(l.packets_in, 0))::bigint, (h.packets_out - coalesce(l.packets_out, 0))::bigint,
    (h.samples_in - coalesce(l.samples_in, 0))::bigint, (h.samples_out - coalesce(l.samples_out, 0))::bigint
from (
    select service_id, hour, sum(bytes_in_l2) as bytes_in_l2, sum(bytes_out_l2) as bytes_out_l2, sum(bytes_in_l3) as bytes_in_l3,
        sum(bytes_out_l3) as bytes_out_l3, sum(packets_in) as packets_in, sum(packets_out) as packets_out,
        sum(samples_in) as samples_in, sum(samples_out) as samples_out
    from usage_hourly where hour >= $1 and hour < $2 group by 1, 2
) h
left join usage_late l on l.service_id = h.service_id and l.hour = h.hour
