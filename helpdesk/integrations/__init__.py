"""Other systems: files of complaints taken in, and what happens here as a feed for whoever follows it.

An import is a row (`import_job`) that says how far it is; each batch of complaints moves it on in its own transaction, so
a process killed at any point goes on where it stopped and nothing comes in twice. It uses the same door as the API
(`complaints.intake`) and the same rules (`complaints.schemas.ComplaintIn`). What a file's columns mean stands in a
mapping, which is data (`mappings/*.toml`).

Uploads lie in `<data folder>/imports` until the import has ended. Every process, on whatever machine, must see the same
data folder: a worker reads what an API server wrote there.
"""
