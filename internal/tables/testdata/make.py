"""Makes the tables of the tests. Every file holds the same three rows: numpy 2.4.6 and pyarrow 26.0.1 wrote them."""
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

q, p = [[1.5, -2.0], [0.1, 3e38], [-0.0, 1e-45]], [[1, 2], [3, 4], [-5, 6]]
t, label = [0.0, 0.5, 0.1], ["b", "µ 2", "b"]

np.savez("rows.npz", **{"q [m]": np.array(q), "p": np.array(p, "<i4"), "t": np.array(t), "trajectory": np.array(label)})
np.savez_compressed("compressed.npz", **{"q [m]": np.array(q, "<f4"), "p": np.array(p, "<i8"), "t": np.array(t), "trajectory": np.array(label)})
record = np.zeros(3, np.dtype([("q [m]", "<f8", (2,)), ("p", "<i8", (2,)), ("t", "<f4"), ("trajectory", "<U3")], align=True))
record["q [m]"], record["p"], record["t"], record["trajectory"] = q, p, t, label
np.save("rows.npy", record)
np.save("plain.npy", np.array(q))
np.savez("fortran.npz", q=np.asfortranarray(q))
np.savez("big-endian.npz", q=np.array(q, ">f8"))
np.savez("lengths.npz", q=np.array(t), p=np.array(t[:2]))

columns = {"q1 [m]": [r[0] for r in q], "q2 [m]": [r[1] for r in q], "p1": pa.array([r[0] for r in p], "int32"),
           "p2": pa.array([r[1] for r in p], "int64"), "t": t, "trajectory": label}
table = pa.table(columns)
pq.write_table(table, "rows.parquet")
pq.write_table(table, "plain.parquet", use_dictionary=False, compression="zstd", data_page_version="2.0", row_group_size=2)
pq.write_table(pa.table({"t": t, "q": [1.0, None, 2.0]}), "null.parquet")
pq.write_table(pa.table({"q": [[1.0], [2.0]]}), "nested.parquet")
pq.write_table(pa.table({"q": pa.array([1, 2], pa.timestamp("ms"))}), "timestamps.parquet")
pq.write_table(pa.table({"trajectory": pa.array([7, 7, -1], "int64"), "q": pa.array([1, 2, float("nan")], "float32")}), "nan.parquet")
