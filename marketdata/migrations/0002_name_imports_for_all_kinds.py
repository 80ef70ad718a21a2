"""Imports and refused rows are of every kind of data, not of bars alone."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("marketdata", "0001_initial")]

    operations = [
        migrations.RenameModel("BarImport", "DataImport"),
        migrations.RenameModel("RejectedBar", "RejectedRow"),
        migrations.RenameField("RejectedRow", "bar_import", "data_import"),
    ]
