"""The shipped QC procedures. Each module has `measure(subject, found)`, which fills in what it can.

Run in the QC process. What a procedure cannot measure it leaves as None, with a line among the troubles;
what does not apply to an AB it leaves out.
"""
