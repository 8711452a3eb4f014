select intDiv(toInt64(toUnixTimestamp(start)), ?) * ? as at,
       sum(m.bytes_in_l2) as bytes_in_l2, sum(m.bytes_out_l2) as bytes_out_l2,
       sum(m.bytes_in_l3) as bytes_in_l3, sum(m.bytes_out_l3) as bytes_out_l3
from usage_minute as m final
where service_id = toUUID(?) and start >= toDateTime(?, 'UTC') and start < toDateTime(?, 'UTC')
group by at
settings do_not_merge_across_partitions_select_final = 1
