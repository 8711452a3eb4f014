select host(address) as address, sum(bytes_l2)::bigint as bytes_l2, sum(bytes_l3)::bigint as bytes_l3,
       sum(packets)::bigint as packets, sum(samples)::bigint as samples
from unattributed_hourly
where hour >= $1
group by address
order by sum(bytes_l2) desc, address
limit $2
