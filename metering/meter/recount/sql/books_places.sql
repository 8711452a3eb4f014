-- Each meter's place in the log $1, and the time before which it has counted everything.
select partition, next, (select watermark from meter m where m.partition = o.partition)
from consumer_offset o
where consumer = 'meter' and topic = $1
