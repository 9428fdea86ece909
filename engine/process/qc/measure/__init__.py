"""What is measured in images, cubes and lists of sources. Needs numpy and astropy: QC process only."""
