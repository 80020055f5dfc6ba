"""A PACS that speaks DICOMweb, as the studies of the server."""
