"""Tests of the Slicer extension; they run with the plugin's environment, see the Makefile."""
