-- One bite of minutes before $1, the oldest from $3 on. $2 bounds it. Tells how many went, and where the next bite begins.
with gone as (
    delete from loss_minute where (minute, exporter_id) in (
        select minute, exporter_id from loss_minute where minute >= $3 and minute < $1 order by minute limit $2)
    returning minute
)
select count(*), coalesce(max(minute), $3) from gone
