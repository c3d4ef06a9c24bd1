# What nginx itself exposes is not in these files.
FROM nginx:1.29
EXPOSE 8443
