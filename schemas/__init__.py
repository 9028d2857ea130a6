"""The records as Avro schemas, and the codecs between a record and its bytes or its JSON form.

To change a schema: put the version until now in `earlier/`, under any name, so that what it wrote can still
be read; change the .avsc and the class together; give what is new a default.
"""
